-- Jobs, payloads, runs, webhooks and registries.
--
-- Three tables for three rhythms: `job` changes when its state does, `run` with every heartbeat, payloads are
-- written once. A client's open transaction can hold its `job` row as long as it likes; heartbeats only touch `run`.
-- Lock order everywhere: job before run, several jobs in id order.

-- Jobs --------------------------------------------------------------------------------------------------------

CREATE TABLE janus_private.job (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    owner regrole NOT NULL,
    kind text NOT NULL CHECK (kind IN ('generate', 'understand', 'chat')),
    queue text NOT NULL,
    model text,
    state text NOT NULL DEFAULT 'queued',
    priority smallint NOT NULL CHECK (priority BETWEEN 0 AND 9),
    due_at timestamptz NOT NULL,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    attempts int NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    max_attempts int NOT NULL CHECK (max_attempts >= 1),
    handovers int NOT NULL DEFAULT 0 CHECK (handovers >= 0),
    run_timeout interval NOT NULL,
    run_lease bigint NOT NULL DEFAULT 0,
    generation int NOT NULL DEFAULT 1,
    is_suspect boolean NOT NULL DEFAULT false,
    concurrency_key text NOT NULL DEFAULT '',
    traceparent text,
    idempotency_key text,
    idempotency_fingerprint bytea,
    webhook_url text,
    webhook_events text[] NOT NULL,
    upload_to text[] NOT NULL,
    metadata jsonb NOT NULL,
    text text,
    finish_reason text,
    usage jsonb,
    error jsonb,
    CONSTRAINT job_state CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'canceled')),
    CONSTRAINT job_finished CHECK ((finished_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'canceled'))),
    CONSTRAINT job_running CHECK (state <> 'running' OR (started_at IS NOT NULL AND model IS NOT NULL AND attempts >= 1)),
    CONSTRAINT job_succeeded CHECK (state <> 'succeeded' OR (error IS NULL AND usage IS NOT NULL)),
    CONSTRAINT job_failed CHECK (state <> 'failed' OR coalesce(error ?& ARRAY['code', 'message', 'retryable'], false)),
    CONSTRAINT job_result CHECK (state = 'succeeded' OR (text IS NULL AND usage IS NULL AND finish_reason IS NULL)),
    CONSTRAINT job_idempotency CHECK ((idempotency_key IS NULL) = (idempotency_fingerprint IS NULL))
);
COMMENT ON TABLE janus_private.job IS 'A job as clients and state changes see it; its lease is in run, its arguments in input.';
COMMENT ON COLUMN janus_private.job.model IS 'NULL only until the first daemon ever says what the default model is.';
COMMENT ON COLUMN janus_private.job.due_at IS 'Its place in line, and not started before: run_at as given, or the moment of enqueueing where that is later. A retry moves it, a hand-over does not.';
COMMENT ON COLUMN janus_private.job.started_at IS 'Of the latest attempt.';
COMMENT ON COLUMN janus_private.job.attempts IS 'Charged so far, the running one included; hand-overs give theirs back.';
COMMENT ON COLUMN janus_private.job.handovers IS 'Uncharged returns to the queue.';
COMMENT ON COLUMN janus_private.job.run_lease IS 'Ordinal of the latest claim; only grows.';
COMMENT ON COLUMN janus_private.job.generation IS 'janus.retry begins a new one, with webhooks of its own.';
COMMENT ON COLUMN janus_private.job.is_suspect IS 'Was in a batch that crashed: runs alone next time.';
COMMENT ON COLUMN janus_private.job.concurrency_key IS 'Its owner''s jobs of one key take turns with those of others, and are limited together; empty: none was given.';
COMMENT ON COLUMN janus_private.job.idempotency_fingerprint IS 'SHA-256 of what a repeat with the same key must share.';
COMMENT ON COLUMN janus_private.job.text IS 'The result, until the next generation: text, finish_reason and usage.';

-- Claims read this index and nothing else: one descent a lane and key, the job that is due the longest first.
CREATE INDEX job_claim ON janus_private.job (model, queue, priority, owner, concurrency_key, due_at, id) WHERE state = 'queued';
CREATE INDEX job_expiry ON janus_private.job (expires_at) WHERE state = 'queued' AND expires_at IS NOT NULL;
CREATE INDEX job_without_model ON janus_private.job (id) WHERE model IS NULL AND state = 'queued';
CREATE INDEX job_retention ON janus_private.job (state, finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX job_owner ON janus_private.job (owner, state, id);
CREATE INDEX job_state ON janus_private.job (state, id) INCLUDE (owner);
CREATE INDEX job_depth ON janus_private.job (queue, model, due_at) WHERE state = 'queued';
CREATE INDEX job_key ON janus_private.job (owner, concurrency_key) WHERE state = 'queued' AND concurrency_key <> '';
CREATE UNIQUE INDEX job_idempotency_key ON janus_private.job (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- The same machine as Sources/JanusJob/JobState.swift. The condition is the table of transitions; the function
-- only runs to refuse.
CREATE FUNCTION janus_private.refuse_transition() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '23514',
        MESSAGE = format('job %s cannot go from %s to %s', OLD.id, OLD.state, NEW.state);
END $$;

CREATE TRIGGER job_transition BEFORE UPDATE OF state ON janus_private.job FOR EACH ROW
WHEN (OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN (
    ('queued', 'running'), ('queued', 'canceled'), ('queued', 'failed'),
    ('running', 'succeeded'), ('running', 'failed'), ('running', 'canceled'), ('running', 'queued'),
    ('failed', 'queued'), ('canceled', 'queued')))
EXECUTE FUNCTION janus_private.refuse_transition();

-- Payloads ----------------------------------------------------------------------------------------------------

CREATE TABLE janus_private.input (
    job bigint PRIMARY KEY REFERENCES janus_private.job ON DELETE CASCADE,
    task jsonb NOT NULL,
    image_urls text[] NOT NULL,
    inline_images int NOT NULL
);
COMMENT ON TABLE janus_private.input IS 'What a job shall do, written once.';
COMMENT ON COLUMN janus_private.input.task IS 'The resolved arguments; the seed is a string, as JSON readers lose integers beyond 2^53.';
COMMENT ON COLUMN janus_private.input.image_urls IS 'Pictures to fetch; those of input_image come after them.';

CREATE TABLE janus_private.input_image (
    job bigint NOT NULL REFERENCES janus_private.job ON DELETE CASCADE,
    index int NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (job, index)
);
COMMENT ON TABLE janus_private.input_image IS 'Pictures that came with the call.';
-- Pictures are compressed already.
ALTER TABLE janus_private.input_image ALTER data SET STORAGE EXTERNAL;

CREATE TABLE janus_private.output (
    job bigint NOT NULL REFERENCES janus_private.job ON DELETE CASCADE,
    index int NOT NULL CHECK (index >= 0),
    media_type text NOT NULL,
    width int,
    height int,
    byte_count bigint NOT NULL CHECK (byte_count >= 0),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    urls text[] NOT NULL,
    data bytea CHECK (octet_length(data) = byte_count),
    PRIMARY KEY (job, index)
);
COMMENT ON TABLE janus_private.output IS 'What succeeded jobs gave: pictures, or the text of an answer as a file.';
COMMENT ON COLUMN janus_private.output.urls IS 'Where it was uploaded to, without query strings.';
COMMENT ON COLUMN janus_private.output.data IS 'The bytes, where db: is among the sinks.';
ALTER TABLE janus_private.output ALTER data SET STORAGE EXTERNAL;

-- Runs --------------------------------------------------------------------------------------------------------

CREATE TABLE janus_private.run (
    job bigint PRIMARY KEY REFERENCES janus_private.job ON DELETE CASCADE,
    run_lease bigint NOT NULL,
    claim_token uuid NOT NULL,
    daemon uuid NOT NULL,
    owner regrole NOT NULL,
    concurrency_key text NOT NULL,
    started_at timestamptz NOT NULL,
    lease_seconds double precision NOT NULL CHECK (lease_seconds > 0),
    lease_until timestamptz NOT NULL,
    phase text NOT NULL CHECK (phase IN ('preparing', 'prefill', 'drawing', 'decoding', 'delivering')),
    steps_done int NOT NULL DEFAULT 0 CHECK (steps_done >= 0),
    steps_total int NOT NULL DEFAULT 1 CHECK (steps_total >= 1)
) WITH (fillfactor = 50);  -- heartbeats stay on their page, and no index mentions what they change
COMMENT ON TABLE janus_private.run IS 'The lease of a running job and its progress; there while it runs, and written by daemons only.';
COMMENT ON COLUMN janus_private.run.owner IS 'The job''s, as is the key: what runs is counted here.';
CREATE INDEX run_owner ON janus_private.run (owner, concurrency_key);

CREATE TABLE janus_private.attempt (
    job bigint NOT NULL REFERENCES janus_private.job ON DELETE CASCADE,
    run_lease bigint NOT NULL,
    attempt int NOT NULL,
    generation int NOT NULL,
    claim_token uuid NOT NULL,
    daemon uuid NOT NULL,
    host text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    outcome text CHECK (outcome IN ('succeeded', 'failed', 'canceled', 'released', 'lease_expired')),
    state text CHECK (state IN ('queued', 'succeeded', 'failed', 'canceled')),
    error jsonb,
    uploads text[] NOT NULL DEFAULT '{}',
    files text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (job, run_lease),
    CONSTRAINT attempt_ended CHECK ((ended_at IS NULL) = (outcome IS NULL) AND (outcome IS NULL) = (state IS NULL))
);
COMMENT ON TABLE janus_private.attempt IS 'Every claim that ever was.';
COMMENT ON COLUMN janus_private.attempt.claim_token IS 'Stays: a daemon whose acknowledgement was lost reads back by it.';
COMMENT ON COLUMN janus_private.attempt.state IS 'The job''s state from then on.';
COMMENT ON COLUMN janus_private.attempt.uploads IS 'Objects that it was about to put to collections, written before: what a host that died may have left.';
COMMENT ON COLUMN janus_private.attempt.files IS 'The same in file:/// sinks; its host removes them where the attempt did not succeed.';
CREATE INDEX attempt_orphaned ON janus_private.attempt (host, ended_at) WHERE outcome <> 'succeeded' AND files <> '{}';

-- Lines -------------------------------------------------------------------------------------------------------

-- Whose turn it is. A lane is one owner's line for a model, queue and priority; a key lane is the part of it that has one
-- concurrency key. They say when they were served, and where a look is worth it; how much runs is counted in `run`.
--
-- Whoever makes a job queued writes an arrival and nothing else, so that nobody waits for anybody's open transaction; the
-- next claim takes arrivals to the lanes. Lanes and key lanes of an owner are only written under the lock of its tenant row,
-- which only claims and the like take, never anything that a person's transaction could keep.

CREATE TABLE janus_private.tenant (
    owner regrole PRIMARY KEY
);
COMMENT ON TABLE janus_private.tenant IS 'Owners that ever had a job in line: a row is there to be locked.';

CREATE TABLE janus_private.owner_limit (
    owner regrole PRIMARY KEY,
    running_max int CHECK (running_max >= 1),
    queued_max int CHECK (queued_max >= 0),
    key_running_max int CHECK (key_running_max >= 1),
    key_queued_max int CHECK (key_queued_max >= 0)
);
COMMENT ON TABLE janus_private.owner_limit IS 'Limits of owners; NULL takes the default of the settings.';
COMMENT ON COLUMN janus_private.owner_limit.key_running_max IS 'Of each of its keys that has no limit of its own.';

CREATE TABLE janus_private.key_limit (
    owner regrole NOT NULL,
    key text NOT NULL,
    running_max int CHECK (running_max >= 1),
    queued_max int CHECK (queued_max >= 0),
    PRIMARY KEY (owner, key)
);
COMMENT ON TABLE janus_private.key_limit IS 'Limits of single keys; NULL takes what their owner has for its keys.';

CREATE TABLE janus_private.arrival (
    id bigint GENERATED ALWAYS AS IDENTITY,
    model text NOT NULL,
    queue text NOT NULL,
    priority smallint NOT NULL,
    owner regrole NOT NULL,
    key text NOT NULL,
    due_at timestamptz NOT NULL,
    PRIMARY KEY (owner, id)  -- from owner to owner, however many one of them has
);
COMMENT ON TABLE janus_private.arrival IS 'Jobs became queued in this lane, the first of them due then: written with them, taken to the lane by a claim.';

CREATE TABLE janus_private.lane (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model text NOT NULL,
    queue text NOT NULL,
    priority smallint NOT NULL,
    owner regrole NOT NULL,
    is_waiting boolean NOT NULL,
    wakes_at timestamptz,
    served_at timestamptz,
    UNIQUE (model, queue, priority, owner)
);
COMMENT ON TABLE janus_private.lane IS 'The line of an owner for a model, queue and priority.';
COMMENT ON COLUMN janus_private.lane.is_waiting IS 'Whether one of its key lanes is: false only where none can have a due job before wakes_at.';
COMMENT ON COLUMN janus_private.lane.wakes_at IS 'The earliest of its key lanes''.';
COMMENT ON COLUMN janus_private.lane.served_at IS 'When it last had its turn; NULL: never.';
CREATE INDEX lane_turn ON janus_private.lane (model, queue, priority, served_at NULLS FIRST, id) WHERE is_waiting;
CREATE INDEX lane_asleep ON janus_private.lane (model, queue, wakes_at) WHERE wakes_at IS NOT NULL;

CREATE TABLE janus_private.key_lane (
    lane bigint NOT NULL REFERENCES janus_private.lane ON DELETE CASCADE,
    key text NOT NULL,
    is_waiting boolean NOT NULL,
    served_at timestamptz,
    wakes_at timestamptz,
    looked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (lane, key),
    CONSTRAINT key_lane_sleeps CHECK (NOT is_waiting OR wakes_at IS NULL)
);
COMMENT ON TABLE janus_private.key_lane IS 'The jobs of a lane that have one concurrency key, or none.';
COMMENT ON COLUMN janus_private.key_lane.wakes_at IS 'All of its jobs are due later: it waits again then.';
COMMENT ON COLUMN janus_private.key_lane.looked_at IS 'When tidying last passed it.';
CREATE INDEX key_lane_turn ON janus_private.key_lane (lane, served_at NULLS FIRST, key) WHERE is_waiting;
CREATE INDEX key_lane_asleep ON janus_private.key_lane (lane, wakes_at) WHERE wakes_at IS NOT NULL;
CREATE INDEX key_lane_tidy ON janus_private.key_lane (looked_at);

CREATE FUNCTION janus_private.jobs_arrived() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO janus_private.arrival (model, queue, priority, owner, key, due_at)
    SELECT a.model, a.queue, a.priority, a.owner, a.concurrency_key, min(a.due_at)
    FROM arrived a WHERE a.state = 'queued' AND a.model IS NOT NULL
    GROUP BY a.model, a.queue, a.priority, a.owner, a.concurrency_key;
    RETURN NULL;
END $$;

CREATE FUNCTION janus_private.job_arrived() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO janus_private.arrival (model, queue, priority, owner, key, due_at)
    VALUES (NEW.model, NEW.queue, NEW.priority, NEW.owner, NEW.concurrency_key, NEW.due_at);
    RETURN NULL;
END $$;

CREATE TRIGGER job_arrives AFTER INSERT ON janus_private.job REFERENCING NEW TABLE AS arrived
FOR EACH STATEMENT EXECUTE FUNCTION janus_private.jobs_arrived();

-- However a job comes to be queued, or to another line: the condition costs claims and finishes next to nothing.
CREATE TRIGGER job_returns AFTER UPDATE OF state, model, queue, priority, owner, concurrency_key, due_at ON janus_private.job
FOR EACH ROW WHEN (NEW.state = 'queued' AND NEW.model IS NOT NULL AND (OLD.state <> 'queued'
    OR (OLD.model, OLD.queue, OLD.priority, OLD.owner::oid, OLD.concurrency_key, OLD.due_at)
        IS DISTINCT FROM (NEW.model, NEW.queue, NEW.priority, NEW.owner::oid, NEW.concurrency_key, NEW.due_at)))
EXECUTE FUNCTION janus_private.job_arrived();

-- Webhooks ----------------------------------------------------------------------------------------------------

CREATE TABLE janus_private.webhook_secret (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner regrole NOT NULL,
    secret bytea NOT NULL CHECK (octet_length(secret) = 32),
    expires_at timestamptz
);
COMMENT ON TABLE janus_private.webhook_secret IS 'What webhooks are signed with, by owner.';
COMMENT ON COLUMN janus_private.webhook_secret.expires_at IS 'Set by rotation; both sign until then.';
-- One current secret an owner, also when two first jobs come at once.
CREATE UNIQUE INDEX webhook_secret_current ON janus_private.webhook_secret (owner) WHERE expires_at IS NULL;

CREATE TABLE janus_private.webhook_delivery (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job bigint NOT NULL REFERENCES janus_private.job ON DELETE CASCADE,
    owner regrole NOT NULL,
    generation int NOT NULL,
    message_id text NOT NULL UNIQUE,
    type text NOT NULL,
    url text NOT NULL,
    body text NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'abandoned')),
    attempts int NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    last_status int,
    last_error text,
    CONSTRAINT webhook_delivery_finished CHECK ((state = 'pending') = (finished_at IS NULL)),
    UNIQUE (job, generation, type)
);
COMMENT ON TABLE janus_private.webhook_delivery IS 'The outbox: written with the state change that it tells of, delivered later.';
COMMENT ON COLUMN janus_private.webhook_delivery.body IS 'As of the event; sent and signed byte for byte.';
-- Claims of the outbox go from owner to owner.
CREATE INDEX webhook_delivery_due ON janus_private.webhook_delivery (owner, next_attempt_at, id) WHERE state = 'pending';

-- Registries --------------------------------------------------------------------------------------------------

CREATE TABLE janus_private.upload_grant (
    role regrole NOT NULL,
    prefix text NOT NULL,
    PRIMARY KEY (role, prefix)
);
COMMENT ON TABLE janus_private.upload_grant IS 'file:/// sinks are reached with the daemon''s rights: a role may only use those under a prefix granted to it.';

CREATE TABLE janus_private.daemon (
    instance uuid PRIMARY KEY,
    host text NOT NULL,
    version text NOT NULL,
    models text[] NOT NULL,
    queues text[] NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    lease_seconds double precision NOT NULL,
    failed_models jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(failed_models) = 'object')
) WITH (fillfactor = 50);
COMMENT ON TABLE janus_private.daemon IS 'The daemons that serve this database; each removes its row at its end.';
COMMENT ON COLUMN janus_private.daemon.failed_models IS 'Of which no worker starts there: {model: why}.';

CREATE TABLE janus_private.model (
    name text PRIMARY KEY
);
COMMENT ON TABLE janus_private.model IS 'Every model that a daemon ever served; what enqueueing takes for a known name.';

CREATE TABLE janus_private.paused_queue (
    queue text PRIMARY KEY
);
COMMENT ON TABLE janus_private.paused_queue IS 'Queues of which no more jobs are started.';

-- Exactly what a daemon does with its own statements; the rest it reaches through functions.
SELECT janus_private.grant_to('daemon', privilege) FROM unnest(ARRAY[
    'SELECT ON janus_private.input, janus_private.input_image',
    'SELECT, DELETE ON janus_private.job',
    'UPDATE (state, model, due_at, started_at, finished_at, attempts, handovers, run_lease, is_suspect, text,
        finish_reason, usage, error) ON janus_private.job',
    'SELECT, INSERT, UPDATE, DELETE ON janus_private.run, janus_private.daemon',
    'SELECT, INSERT, UPDATE ON janus_private.attempt',
    'SELECT, INSERT ON janus_private.model',
    'SELECT, INSERT, DELETE ON janus_private.output',
    'SELECT, UPDATE ON janus_private.webhook_delivery',
    'SELECT, DELETE ON janus_private.webhook_secret',
    'SELECT ON janus_private.paused_queue'
]) AS privilege;
SELECT janus_private.seal();
