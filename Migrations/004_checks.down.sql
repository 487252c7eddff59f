DROP FUNCTION janus_private.check_sink, janus_private.check_url, janus_private.is_ipv6, janus_private.percent_encoded,
    janus_private.check_array, janus_private.check_text, janus_private.check_number, janus_private.refuse;
