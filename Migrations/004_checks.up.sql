-- Checks of arguments. What SQL can judge is refused at enqueue, with SQLSTATE 22023, a message that names argument,
-- value and limit, and a hint that says what to do.

CREATE FUNCTION janus_private.refuse(message text, hint text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = message, HINT = hint;
END $$;

-- A number between two limits; NaN is greater than every limit.
CREATE FUNCTION janus_private.check_number(argument text, value numeric, low numeric, high numeric) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF value IS NULL OR value < low OR value > high THEN
        PERFORM janus_private.refuse(
            format('%s is %s: it must be between %s and %s', argument, coalesce(value::text, 'NULL'), low, high),
            format('Give %s a value in that range, or leave it out to take its default.', argument));
    END IF;
END $$;

-- A text of 1 to `most` bytes.
CREATE FUNCTION janus_private.check_text(argument text, value text, most bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF value IS NULL OR value ~ '^\s*$' THEN
        PERFORM janus_private.refuse(
            format('%s is %s: it needs 1 to %s bytes of text', argument,
                CASE WHEN value IS NULL THEN 'NULL' WHEN value = '' THEN 'empty' ELSE 'white space' END, most),
            format('Give %s some text.', argument));
    ELSIF octet_length(value) > most THEN
        PERFORM janus_private.refuse(
            format('%s has %s bytes: the limit is %s', argument, octet_length(value), most), format('Shorten %s.', argument));
    END IF;
END $$;

-- An array of at most one dimension, without NULLs, of at most `most` elements.
CREATE FUNCTION janus_private.check_array(argument text, value anyarray, most bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF value IS NULL OR array_ndims(value) > 1 OR array_position(value, NULL) IS NOT NULL THEN
        PERFORM janus_private.refuse(
            format('%s %s', argument, CASE WHEN value IS NULL THEN 'is NULL' WHEN array_ndims(value) > 1
                THEN 'has several dimensions: it must be a plain list' ELSE 'contains NULL' END),
            format('Give %s a list without NULLs; {} is the empty list.', argument));
    ELSIF cardinality(value) > most THEN
        PERFORM janus_private.refuse(
            format('%s has %s elements: the limit is %s', argument, cardinality(value), most),
            format('Give %s fewer elements.', argument));
    END IF;
END $$;

-- What a URL cannot hold as %XX, byte by byte.
CREATE FUNCTION janus_private.percent_encoded(value text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(CASE WHEN byte BETWEEN 33 AND 126 THEN chr(byte) ELSE '%' || upper(lpad(to_hex(byte), 2, '0')) END, '' ORDER BY n)
    FROM (SELECT n, get_byte(convert_to(value, 'UTF8'), n) AS byte
        FROM generate_series(0, octet_length(convert_to(value, 'UTF8')) - 1) AS n) AS bytes
$$;

CREATE FUNCTION janus_private.is_ipv6(value text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN family(value::inet) = 6;
EXCEPTION WHEN invalid_text_representation THEN
    RETURN false;
END $$;

-- https://host/…, or http:// where the settings allow it: what daemons can carry (HTTPURL in Swift). No user information,
-- which would end in logs.
CREATE FUNCTION janus_private.check_url(argument text, value text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    shown text := left(split_part(value, '?', 1), 120);
    authority text := substring(value FROM '^[A-Za-z]+://([^/?#]*)');
    port text := substring(authority FROM ':([0-9]+)$');
BEGIN
    PERFORM janus_private.check_text(argument, value, janus_private.setting_int('url_bytes_max'));
    IF value ~* '^http://' AND NOT janus_private.setting_on('allow_http') THEN
        PERFORM janus_private.refuse(format('%s is %s: http:// is not allowed here, only https://', argument, shown),
            'An administrator can allow it by SELECT janus.configure(''allow_http'', ''on'').');
    ELSIF octet_length(authority) > length(authority) THEN
        PERFORM janus_private.refuse(format('%s is %s: the name of its host is not in ASCII', argument, shown),
            'Give the xn-- form of the name; janusd enqueue makes it.');
    ELSIF authority !~ '[^!-~]' AND value ~ '[^!-~]' THEN
        PERFORM janus_private.refuse(
            format('%s is %s: it has a blank, or another character that a URL cannot hold', argument, shown),
            format('Percent-encode it, as in %s', janus_private.percent_encoded(shown)));
    ELSIF value !~* '^https?://([a-z0-9._~-]+|[[][0-9a-f:.]+[]])(:[0-9]*)?([/?][^#]*)?$'
        OR NOT janus_private.is_ipv6(substring(authority FROM '^[[](.*)[]]')) THEN
        PERFORM janus_private.refuse(format('%s is %s: it must be a URL https://host/path', argument, shown),
            'Give a whole URL, percent-encoded, without user name, password or fragment.');
    ELSIF port::numeric NOT BETWEEN 1 AND 65535 THEN
        PERFORM janus_private.refuse(format('%s is %s: its port must be between 1 and 65535', argument, shown),
            'Leave the port out to take the usual one.');
    END IF;
END $$;

-- One sink. file:/// is reached with the daemon's rights, so the owner needs a grant for it.
CREATE FUNCTION janus_private.check_sink(argument text, value text, owner regrole) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    shown text := left(split_part(value, '?', 1), 120);
BEGIN
    IF value = 'db:' THEN
        RETURN;
    ELSIF value ~* '^https?://' THEN
        PERFORM janus_private.check_url(argument, value);
    ELSIF value ~ '^s3://' THEN
        PERFORM janus_private.refuse(format('%s is %s: s3:// is not a sink', argument, shown),
            'Use a presigned https:// URL for each output, or db:.');
    ELSIF value ~ '^file:' THEN
        PERFORM janus_private.check_text(argument, value, janus_private.setting_int('url_bytes_max'));
        IF value !~ '^file:///([A-Za-z0-9._~@:+=,-]+/)+$' OR value ~ '/\.\.?/' THEN
            PERFORM janus_private.refuse(
                format('%s is %s: it must be a folder file:///path/ of plain names', argument, shown),
                'End it with /, and use letters, digits and . _ ~ @ : + = , - only.');
        ELSIF NOT EXISTS (
            SELECT FROM janus_private.upload_grant g
            WHERE starts_with(value, g.prefix) AND g.role = ANY (janus_private.inherited_roles(check_sink.owner))
        ) THEN
            PERFORM janus_private.refuse(format('%s is %s: role %s may not upload there', argument, shown, owner),
                format('An administrator can allow it by SELECT janus.grant_upload(%L, %L).', pg_get_userbyid(owner), value));
        END IF;
    ELSE
        PERFORM janus_private.refuse(
            format('%s is %s: its scheme is not db:, https://, or file:///', argument, coalesce(shown, 'NULL')),
            'db: keeps the output in the database; see the documentation of upload_to for the others.');
    END IF;
END $$;

SELECT janus_private.seal();
