-- Jobs, payloads, runs, webhooks and registries.
--
-- Three tables for three rhythms: `job` changes when its state does, `run` with every heartbeat, payloads are
-- written once. A client's open transaction can hold its `job` row as long as it likes; heartbeats only touch `run`.
-- Lock order everywhere: job before run, several jobs in id order.

-- Jobs --------------------------------------------------------------------------------------------------------

CREATE TABLE janus_private.job (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    owner name NOT NULL,
    kind text NOT NULL CHECK (kind IN ('generate', 'understand', 'chat')),
    queue text NOT NULL,
    -- NULL only until the first daemon ever says what the default model is.
    model text,
    state text NOT NULL DEFAULT 'queued',
    priority smallint NOT NULL CHECK (priority BETWEEN 0 AND 9),
    run_at timestamptz NOT NULL,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- of the latest attempt
    started_at timestamptz,
    finished_at timestamptz,
    cancel_requested_at timestamptz,
    -- charged so far, the running one included; hand-overs give theirs back
    attempts int NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    max_attempts int NOT NULL CHECK (max_attempts >= 1),
    handovers int NOT NULL DEFAULT 0 CHECK (handovers >= 0),
    run_timeout interval NOT NULL,
    -- ordinal of the latest claim; only grows
    run_lease bigint NOT NULL DEFAULT 0,
    -- janus.retry begins a new one, with webhooks of its own
    generation int NOT NULL DEFAULT 1,
    -- was in a batch that crashed: runs alone next time
    is_suspect boolean NOT NULL DEFAULT false,
    concurrency_key text,
    traceparent text,
    idempotency_key text,
    idempotency_fingerprint bytea,
    webhook_url text,
    webhook_events text[] NOT NULL,
    upload_to text[] NOT NULL,
    metadata jsonb NOT NULL,
    -- the result
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

-- Claims read this index and nothing else: one descent a (model, queue, priority), due jobs first.
CREATE INDEX job_claim ON janus_private.job (model, queue, priority, run_at, id) WHERE state = 'queued';
CREATE INDEX job_expiry ON janus_private.job (expires_at) WHERE state = 'queued' AND expires_at IS NOT NULL;
CREATE INDEX job_without_model ON janus_private.job (id) WHERE model IS NULL AND state = 'queued';
CREATE INDEX job_running ON janus_private.job (queue, model) WHERE state = 'running';
CREATE INDEX job_retention ON janus_private.job (state, finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX job_owner ON janus_private.job (owner, id);
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

-- The resolved arguments; seeds are strings (2^53).
CREATE TABLE janus_private.input (
    job bigint PRIMARY KEY REFERENCES janus_private.job ON DELETE CASCADE,
    task jsonb NOT NULL,
    image_urls text[] NOT NULL,
    inline_images int NOT NULL
);

CREATE TABLE janus_private.input_image (
    job bigint NOT NULL REFERENCES janus_private.job ON DELETE CASCADE,
    index int NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (job, index)
);
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
ALTER TABLE janus_private.output ALTER data SET STORAGE EXTERNAL;

-- Runs --------------------------------------------------------------------------------------------------------

-- The lease of a running job and its progress. Only daemons write it.
CREATE TABLE janus_private.run (
    job bigint PRIMARY KEY REFERENCES janus_private.job ON DELETE CASCADE,
    run_lease bigint NOT NULL,
    claim_token uuid NOT NULL,
    daemon uuid NOT NULL,
    started_at timestamptz NOT NULL,
    lease_seconds double precision NOT NULL CHECK (lease_seconds > 0),
    lease_until timestamptz NOT NULL,
    phase text CHECK (phase IN ('preparing', 'prefill', 'drawing', 'decoding', 'delivering')),
    steps_done int NOT NULL DEFAULT 0 CHECK (steps_done >= 0),
    steps_total int NOT NULL DEFAULT 1 CHECK (steps_total >= 1)
) WITH (fillfactor = 50);  -- heartbeats stay on their page, and no index mentions what they change

-- Every claim that ever was. The token stays: a daemon whose acknowledgement was lost reads back by it.
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
    -- the job's state from then on
    state text CHECK (state IN ('queued', 'succeeded', 'failed', 'canceled')),
    error jsonb,
    PRIMARY KEY (job, run_lease),
    CONSTRAINT attempt_ended CHECK ((ended_at IS NULL) = (outcome IS NULL) AND (outcome IS NULL) = (state IS NULL))
);

-- Webhooks ----------------------------------------------------------------------------------------------------

CREATE TABLE janus_private.webhook_secret (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner name NOT NULL,
    secret bytea NOT NULL CHECK (octet_length(secret) = 32),
    -- set by rotation; both sign until then
    expires_at timestamptz
);
-- One current secret an owner, also when two first jobs come at once.
CREATE UNIQUE INDEX webhook_secret_current ON janus_private.webhook_secret (owner) WHERE expires_at IS NULL;

-- The outbox: written with the state change that it tells of, delivered later.
CREATE TABLE janus_private.webhook_delivery (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job bigint NOT NULL REFERENCES janus_private.job ON DELETE CASCADE,
    owner name NOT NULL,
    generation int NOT NULL,
    message_id text NOT NULL UNIQUE,
    type text NOT NULL,
    url text NOT NULL,
    -- as of the event; sent and signed byte for byte
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
CREATE INDEX webhook_delivery_due ON janus_private.webhook_delivery (next_attempt_at, id) WHERE state = 'pending';

-- Registries --------------------------------------------------------------------------------------------------

-- A sink is reached with the daemon's rights: a role may only use those under a prefix granted to it.
CREATE TABLE janus_private.upload_grant (
    role name NOT NULL,
    prefix text NOT NULL,
    PRIMARY KEY (role, prefix)
);

CREATE TABLE janus_private.daemon (
    instance uuid PRIMARY KEY,
    host text NOT NULL,
    version text NOT NULL,
    models text[] NOT NULL,
    queues text[] NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    lease_seconds double precision NOT NULL
) WITH (fillfactor = 50);

-- Every model that a daemon ever served; what enqueueing takes for a known name.
CREATE TABLE janus_private.model (
    name text PRIMARY KEY
);

CREATE TABLE janus_private.paused_queue (
    queue text PRIMARY KEY
);

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA janus_private FROM PUBLIC;

-- Exactly what a daemon does with its own statements; the rest it reaches through functions.
SELECT janus_private.grant_to('daemon', privilege) FROM unnest(ARRAY[
    'SELECT ON janus_private.input, janus_private.input_image',
    'SELECT, DELETE ON janus_private.job',
    'UPDATE (state, model, run_at, started_at, finished_at, attempts, handovers, run_lease, is_suspect, text,
        finish_reason, usage, error) ON janus_private.job',
    'SELECT, INSERT, UPDATE, DELETE ON janus_private.run, janus_private.daemon',
    'SELECT, INSERT, UPDATE ON janus_private.attempt',
    'SELECT, INSERT ON janus_private.model',
    'SELECT, INSERT, DELETE ON janus_private.output',
    'SELECT, UPDATE ON janus_private.webhook_delivery',
    'SELECT, DELETE ON janus_private.webhook_secret',
    'SELECT ON janus_private.paused_queue'
]) AS privilege;
