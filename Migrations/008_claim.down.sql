DROP FUNCTION janus.limit_key, janus.limit_owner, janus_private.role_to_limit, janus_private.check_limit,
    janus_private.tidy_lanes, janus_private.claim, janus_private.digest,
    janus_private.refresh_lanes;
