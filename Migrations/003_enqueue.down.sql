DROP FUNCTION janus.chat, janus.understand, janus.generate, janus_private.chat_messages, janus_private.check_answer,
    janus_private.enqueue, janus_private.fingerprint, janus_private.check_common, janus_private.ensure_webhook_secret,
    janus_private.random_seed, janus_private.check_sink, janus_private.check_url, janus_private.check_array,
    janus_private.check_text, janus_private.check_number, janus_private.refuse;
DROP TYPE janus_private.common;
