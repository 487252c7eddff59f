-- What the SQL reference lacks: one line for each function, argument, view or column of schema janus without a text, and
-- for each text that tells of something that is not there. Prints nothing if all is well.
WITH function AS (
    SELECT p.oid, 'janus.' || p.proname AS name, coalesce(p.proargnames[:p.pronargs], '{}') AS arguments,
        coalesce(obj_description(p.oid, 'pg_proc'), '') AS said
    FROM pg_proc p WHERE p.pronamespace = 'janus'::regnamespace
), relation AS (
    SELECT c.oid, 'janus.' || c.relname AS name, coalesce(obj_description(c.oid, 'pg_class'), '') AS said
    FROM pg_class c WHERE c.relnamespace = 'janus'::regnamespace AND c.relkind IN ('v', 'm', 'r')
        -- what a function of the same name writes to, made by janus_private.publish
        AND c.relname NOT LIKE '%\_request'
), line AS (
    SELECT f.name, f.arguments, l.line FROM function f CROSS JOIN regexp_split_to_table(f.said, '\n') AS l (line)
)
SELECT gap FROM (
    SELECT 'function ' || name || ' has no text' FROM function WHERE said !~ '^[^\n]+'
    UNION ALL SELECT 'function ' || name || ' does not say what it returns' FROM function WHERE said !~ '(?n)^Returns: \S'
    UNION ALL SELECT 'argument ' || a || ' of ' || name || ' has no text'
        FROM function CROSS JOIN unnest(arguments) AS a WHERE said !~ ('(?n)^' || a || ': \S')
    UNION ALL SELECT name || ' has a text on ' || substring(line FROM '^[a-z_]+') || ', which is no argument of it'
        FROM line WHERE line ~ '^[a-z_]+: ' AND substring(line FROM '^[a-z_]+') <> ALL (arguments)
    UNION ALL SELECT 'view ' || name || ' has no text' FROM relation WHERE said = ''
    UNION ALL SELECT 'column ' || a.attname || ' of ' || r.name || ' has no text'
        FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid
        WHERE a.attnum > 0 AND NOT a.attisdropped AND coalesce(col_description(r.oid, a.attnum), '') = ''
    UNION ALL SELECT name || ' tells of a setting ' || key || ', which is not there'
        FROM function CROSS JOIN regexp_matches(said, '\m[a-z_]+_max\M', 'g') AS m (keys) CROSS JOIN unnest(keys) AS key
        WHERE key NOT IN (SELECT s.key FROM janus_private.setting s)
) AS x (gap) ORDER BY gap;
