-- The SQL reference as Markdown, a line a row: from the catalogue and the COMMENTs, whose layout is said in
-- Migrations/006_answer.up.sql.
WITH reader AS (
    SELECT r.oid, n.kind, CASE n.kind WHEN 'client' THEN 1 WHEN 'admin' THEN 2 WHEN 'monitor' THEN 3 ELSE 4 END AS place
    FROM janus_private.role_name n JOIN pg_roles r ON r.oid = n.role
), function AS (
    SELECT p.oid, p.proname AS name, coalesce(p.proargnames[:p.pronargs], '{}') AS arguments,
        obj_description(p.oid, 'pg_proc') AS said, pg_get_function_result(p.oid) AS result, p.proacl AS acl
    FROM pg_proc p WHERE p.pronamespace = 'janus'::regnamespace
), relation AS (
    SELECT c.oid, c.relname AS name, obj_description(c.oid, 'pg_class') AS said, c.relacl AS acl
    FROM pg_class c WHERE c.relnamespace = 'janus'::regnamespace AND c.relkind IN ('v', 'm', 'r')
        -- what a function of the same name writes to, made by janus_private.publish
        AND c.relname NOT LIKE '%\_request'
), allowed AS (
    SELECT function.oid, place FROM function CROSS JOIN aclexplode(acl) AS e JOIN reader ON reader.oid = e.grantee
    WHERE e.privilege_type = 'EXECUTE'
    UNION SELECT relation.oid, place FROM relation CROSS JOIN aclexplode(acl) AS e JOIN reader ON reader.oid = e.grantee
    WHERE e.privilege_type = 'SELECT'
), signed AS (
    SELECT f.oid, f.name, f.said, f.result, a.n, a.argument,
        format_type((p.proargtypes::oid[])[a.n - 1], NULL) AS type, pg_get_function_arg_default(f.oid, a.n::int) AS standard
    FROM function f JOIN pg_proc p ON p.oid = f.oid CROSS JOIN unnest(f.arguments) WITH ORDINALITY AS a (argument, n)
), line (part, thing, n, text) AS (
    SELECT 0, 0::oid, 0, E'## Who may call and read what\n\n'
        'Roles are named as [bootstrap.sql](../Deploy/bootstrap.sql) does by default. What a role may call shows it the jobs of'
        ' the role\nthat calls and of those whose rights it inherits; to janus_admin all.\n\n'
        '| | janus_client | janus_admin | janus_monitor | janus_daemon |\n| --- | --- | --- | --- | --- |'
    UNION ALL SELECT 0, oid, 1, format('| [`%s`](#%s) |', shown, anchor) || string_agg(
            CASE WHEN EXISTS (SELECT FROM allowed WHERE allowed.oid = x.oid AND allowed.place = k.place) THEN ' yes |' ELSE ' |' END,
            '' ORDER BY k.place)
        FROM (SELECT oid, 'janus.' || name || '()' AS shown, 'janus' || name AS anchor FROM function
            UNION ALL SELECT oid, 'janus.' || name, 'janus' || name FROM relation) AS x
        CROSS JOIN generate_series(1, 4) AS k (place) GROUP BY oid, shown, anchor
    UNION ALL SELECT 1, 0, 0, E'\n## Functions\n\nCall them with named arguments: `SELECT janus.generate(''a red fox'', images => 4)`.'
        ' Arguments without default must be given.\nNames that end in `_max` are [settings](#settings).'
    UNION ALL SELECT 1, oid, 0, format(E'\n### janus.%s\n\n%s\n', name, split_part(said, E'\n', 1)) FROM function
    UNION ALL SELECT 1, oid, 1, E'| argument | type | default | |\n| --- | --- | --- | --- |' FROM function WHERE arguments <> '{}'
    UNION ALL SELECT 1, oid, 1 + n, format('| `%s` | %s | %s | %s |', argument, type,
            coalesce('`' || regexp_replace(standard, '::[a-z0-9 ]+(\[\])?$', '') || '`', ''),
            replace(substring(said FROM '(?n)^' || argument || ': (.*)$'), '|', '\|'))
        FROM signed
    UNION ALL SELECT 1, oid, 1000, format(E'%sReturns %s: %s', CASE WHEN arguments <> '{}' THEN E'\n' ELSE '' END,
            CASE WHEN result LIKE 'SETOF janus.%' THEN format('rows of [`%s`](#%s)', substr(result, 7), replace(substr(result, 7), '.', ''))
                ELSE '`' || result || '`' END, substring(said FROM '(?n)^Returns: (.*)$'))
        FROM function
    UNION ALL SELECT 1, oid, 1001, E'\n| SQLSTATE | when |\n| --- | --- |' FROM function WHERE said ~ '(?n)^[0-9A-Z]{5}: '
    UNION ALL SELECT 1, f.oid, 1001 + l.n::int, format('| `%s` | %s |', left(l.text, 5), substr(l.text, 8))
        FROM function f CROSS JOIN regexp_split_to_table(f.said, '\n') WITH ORDINALITY AS l (text, n) WHERE l.text ~ '^[0-9A-Z]{5}: '
    UNION ALL SELECT 2, 0, 0, E'\n## Views\n\nColumns only ever come at the end.'
    UNION ALL SELECT 2, oid, 0, format(E'\n### janus.%s\n\n%s\n\n| column | type | |\n| --- | --- | --- |', name, said) FROM relation
    UNION ALL SELECT 2, r.oid, a.attnum, format('| `%s` | %s | %s |', a.attname, format_type(a.atttypid, a.atttypmod),
            replace(col_description(r.oid, a.attnum), '|', '\|'))
        FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL SELECT 3, 0, 0, E'\n## Settings\n\nAn administrator changes them: `SELECT janus.configure(''images_max'', ''4'')`; NULL takes the default.\n\n'
        '| setting | default | bounds | |\n| --- | --- | --- | --- |'
    UNION ALL SELECT 3, 1, (row_number() OVER (ORDER BY s.key COLLATE "C"))::int, format('| `%s` | %s | %s | %s |', s.key,
            coalesce('`' || s.default_value || '`', ''), CASE s.type WHEN 'integer' THEN format('%s to %s %s', s.least, s.most, s.unit)
                WHEN 'boolean' THEN 'on or off' ELSE 'at most 128 bytes' END, s.description)
        FROM janus_private.setting s
)
SELECT text FROM line ORDER BY part, thing, n;
