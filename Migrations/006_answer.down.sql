DROP FUNCTION janus.chat, janus.understand, janus_private.chat_messages, janus_private.answer_task,
    janus_private.check_answer;
