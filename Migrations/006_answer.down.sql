SELECT janus_private.unpublish('chat', 'understand');
DROP FUNCTION janus_private.chat_messages, janus_private.answer_task, janus_private.check_answer;
