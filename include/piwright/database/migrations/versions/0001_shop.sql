-- The shop's tables, in the order the data flows: catalog, planning, intake, index.

CREATE TABLE project (
    project_id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    display_name  text NOT NULL,
    status        text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'archived', 'quarantined', 'deprecated')),
    status_reason text,
    skip_reason   text,
    serial        bigint,
    etag          text,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    checked_at    timestamptz,
    changed_at    timestamptz,
    gone_at       timestamptz,
    stale_since   timestamptz
);
CREATE INDEX project_stale ON project (stale_since) WHERE stale_since IS NOT NULL;
COMMENT ON TABLE project IS 'A name upstream.';
COMMENT ON COLUMN project.name IS 'Normalised name (PEP 503).';
COMMENT ON COLUMN project.skip_reason IS 'Why the last look upstream gave nothing; null when it did.';
COMMENT ON COLUMN project.gone_at IS 'When upstream stopped knowing the project; null while it does.';
COMMENT ON COLUMN project.stale_since IS 'Its published pages are out of date since then; null when they are true.';

CREATE TABLE watch (
    project_id    integer NOT NULL REFERENCES project ON DELETE CASCADE,
    specifier     text NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    queued_at     timestamptz,
    PRIMARY KEY (project_id, specifier)
);
CREATE INDEX watch_new ON watch (project_id) WHERE queued_at IS NULL;
COMMENT ON TABLE watch IS 'A line of the watch list: the releases of a project it admits. Several lines add up.';
COMMENT ON COLUMN watch.queued_at IS 'When the newest release it admits was queued; null while it is new.';

CREATE TABLE release (
    release_id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id       integer NOT NULL REFERENCES project ON DELETE CASCADE,
    version          text NOT NULL,
    original_version text NOT NULL,
    uploaded_at      timestamptz,
    yanked           boolean NOT NULL DEFAULT false,
    yanked_reason    text,
    gone_at          timestamptz,
    UNIQUE (project_id, version)
);
CREATE INDEX release_gone ON release (release_id) WHERE gone_at IS NOT NULL;
COMMENT ON TABLE release IS 'A version of a project.';
COMMENT ON COLUMN release.version IS 'Canonical version (PEP 440, str(packaging.version.Version)).';
COMMENT ON COLUMN release.uploaded_at IS 'First upload of any of its files; null where upstream does not say.';
COMMENT ON COLUMN release.yanked IS 'True when every file of the release is yanked.';
COMMENT ON COLUMN release.gone_at IS 'When upstream removed it; null while it is there.';

CREATE TABLE upstream_file (
    upstream_file_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    release_id       integer NOT NULL REFERENCES release ON DELETE CASCADE,
    filename         text NOT NULL,
    kind             text NOT NULL CHECK (kind IN ('sdist', 'wheel', 'other')),
    url              text NOT NULL,
    hashes           jsonb NOT NULL DEFAULT '{}',
    size             bigint CHECK (size >= 0),
    uploaded_at      timestamptz,
    requires_python  text,
    yanked           boolean NOT NULL DEFAULT false,
    yanked_reason    text,
    core_metadata    jsonb,
    provenance       text,
    UNIQUE (release_id, filename)
);
CREATE INDEX upstream_file_uploaded ON upstream_file (uploaded_at) INCLUDE (release_id);
COMMENT ON TABLE upstream_file IS 'A distribution file upstream.';
COMMENT ON COLUMN upstream_file.hashes IS 'Algorithm to lower-case hex digest, as upstream gives them.';
COMMENT ON COLUMN upstream_file.size IS 'Bytes; null where upstream does not say.';
COMMENT ON COLUMN upstream_file.core_metadata IS
    'Null: upstream serves no .metadata; true: it does, without a hash; object: algorithm to digest.';

CREATE TABLE target (
    target_id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text NOT NULL UNIQUE,
    distribution text NOT NULL,
    python       text NOT NULL,
    architecture text NOT NULL,
    tags         text[] NOT NULL CHECK (cardinality(tags) > 0),
    rank         integer NOT NULL DEFAULT 0,
    active       boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE target IS 'What we build for: a distribution, a Python and an architecture.';
COMMENT ON COLUMN target.tags IS 'Compatible wheel tags, most specific first.';

CREATE TABLE worker (
    worker_id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text NOT NULL UNIQUE,
    connection_id   text NOT NULL UNIQUE,
    target_id       integer NOT NULL REFERENCES target,
    python          text NOT NULL,
    state_directory text NOT NULL,
    slots           integer NOT NULL DEFAULT 1 CHECK (slots > 0),
    state           text NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'drained', 'lost')),
    state_reason    text,
    facts           jsonb NOT NULL DEFAULT '{}',
    probed_at       timestamptz
);
CREATE INDEX worker_target ON worker (target_id);
COMMENT ON TABLE worker IS 'A Pi.';
COMMENT ON COLUMN worker.connection_id IS 'Airflow SSH connection with its pinned host key.';
COMMENT ON COLUMN worker.python IS 'The interpreter on the worker that wheels are built for.';

CREATE TABLE batch (
    batch_id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target_id        integer NOT NULL REFERENCES target,
    run_id           text NOT NULL,
    label            text NOT NULL,
    state            text NOT NULL DEFAULT 'planned' CHECK (state IN ('planned', 'running', 'done', 'abandoned')),
    worker_id        integer REFERENCES worker,
    round            integer NOT NULL DEFAULT 0,
    remote_name      text,
    expected_seconds real NOT NULL,
    planned_at       timestamptz NOT NULL DEFAULT now(),
    started_at       timestamptz,
    finished_at      timestamptz,
    heartbeat_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX batch_open ON batch (heartbeat_at) WHERE state IN ('planned', 'running');
CREATE INDEX batch_run ON batch (run_id);
COMMENT ON TABLE batch IS 'What one mapped task carries.';
COMMENT ON COLUMN batch.round IS 'How often it was sent to a worker anew; 0 before the first time.';
COMMENT ON COLUMN batch.remote_name IS 'What its worker knows it by; null until it was sent.';

CREATE TABLE job (
    job_id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    release_id       integer NOT NULL REFERENCES release ON DELETE CASCADE,
    target_id        integer NOT NULL REFERENCES target,
    state            text NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'leased', 'built', 'failed', 'parked', 'superseded', 'removed')),
    priority         integer NOT NULL,
    partition        text,
    attempts         integer NOT NULL DEFAULT 0,
    estimate_seconds real NOT NULL,
    batch_id         bigint REFERENCES batch,
    next_try_at      timestamptz,
    waits_for        text,
    reason           text,
    forced           boolean NOT NULL DEFAULT false,
    queued_at        timestamptz NOT NULL DEFAULT now(),
    changed_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (release_id, target_id)
);
CREATE INDEX job_claim ON job (target_id, priority DESC, job_id) WHERE state = 'waiting';
CREATE INDEX job_batch ON job (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX job_leased ON job (job_id) WHERE state = 'leased';
COMMENT ON TABLE job IS 'A release to build for a target.';
COMMENT ON COLUMN job.partition IS 'The interval whose run takes it; null when any run may.';
COMMENT ON COLUMN job.batch_id IS 'The batch that carries or last carried it.';
COMMENT ON COLUMN job.forced IS 'Asked for although there is a wheel already.';

CREATE TABLE job_count (
    job_count_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target_id    integer NOT NULL REFERENCES target,
    state        text NOT NULL,
    jobs         bigint NOT NULL
);
COMMENT ON TABLE job_count IS
    'How many jobs a target has in each state: the sum of `jobs`. Changes are appended, so that no two builds wait for '
    'one row, and folded together by fold_job_counts().';

CREATE FUNCTION count_jobs() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP IN ('UPDATE', 'DELETE') THEN
        INSERT INTO job_count (target_id, state, jobs)
        SELECT target_id, state, -count(*) FROM old_jobs GROUP BY target_id, state;
    END IF;
    IF TG_OP IN ('UPDATE', 'INSERT') THEN
        INSERT INTO job_count (target_id, state, jobs)
        SELECT target_id, state, count(*) FROM new_jobs GROUP BY target_id, state;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION fold_job_counts() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH folded AS (
        DELETE FROM job_count WHERE pg_try_advisory_xact_lock(7065) RETURNING target_id, state, jobs
    )
    INSERT INTO job_count (target_id, state, jobs)
    SELECT target_id, state, sum(jobs) FROM folded GROUP BY target_id, state HAVING sum(jobs) <> 0;
$$;
CREATE TRIGGER job_inserted AFTER INSERT ON job
    REFERENCING NEW TABLE AS new_jobs FOR EACH STATEMENT EXECUTE FUNCTION count_jobs();
CREATE TRIGGER job_updated AFTER UPDATE ON job
    REFERENCING OLD TABLE AS old_jobs NEW TABLE AS new_jobs FOR EACH STATEMENT EXECUTE FUNCTION count_jobs();
CREATE TRIGGER job_deleted AFTER DELETE ON job
    REFERENCING OLD TABLE AS old_jobs FOR EACH STATEMENT EXECUTE FUNCTION count_jobs();

CREATE TABLE lease (
    lease_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    worker_id  integer NOT NULL REFERENCES worker ON DELETE CASCADE,
    slot       integer NOT NULL CHECK (slot > 0),
    batch_id   bigint NOT NULL UNIQUE REFERENCES batch,
    job_id     bigint REFERENCES job ON DELETE SET NULL,
    taken_at   timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    UNIQUE (worker_id, slot)
);
COMMENT ON TABLE lease IS 'A slot of a worker in use by a batch.';
COMMENT ON COLUMN lease.job_id IS 'What it builds at the moment, as its worker last said.';

CREATE TABLE attempt (
    attempt_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id            bigint NOT NULL REFERENCES job ON DELETE CASCADE,
    number            integer NOT NULL CHECK (number > 0),
    batch_id          bigint REFERENCES batch,
    worker_id         integer REFERENCES worker,
    outcome           text NOT NULL CHECK (outcome IN ('built', 'failed')),
    failure_class     text,
    message           text,
    evidence_line     integer,
    evidence_text     text,
    captured          jsonb NOT NULL DEFAULT '{}',
    started_at        timestamptz NOT NULL,
    finished_at       timestamptz NOT NULL,
    phases            jsonb NOT NULL DEFAULT '[]',
    peak_memory_bytes bigint,
    log_path          text,
    log_sha256        text,
    log_bytes         bigint,
    environment       jsonb NOT NULL DEFAULT '{}',
    recorded_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (job_id, number),
    CHECK ((outcome = 'failed') = (failure_class IS NOT NULL))
);
CREATE INDEX attempt_recorded ON attempt (recorded_at);
CREATE INDEX attempt_batch ON attempt (batch_id) WHERE batch_id IS NOT NULL;
COMMENT ON TABLE attempt IS 'One try of one job.';
COMMENT ON COLUMN attempt.failure_class IS 'Why it failed; null when it built.';
COMMENT ON COLUMN attempt.evidence_line IS 'Line of the log, from 1, that shows why.';
COMMENT ON COLUMN attempt.log_path IS 'Compressed log, relative to the file store.';

CREATE TABLE wheel (
    wheel_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    attempt_id      bigint NOT NULL REFERENCES attempt,
    release_id      integer NOT NULL REFERENCES release,
    filename        text NOT NULL UNIQUE,
    sha256          text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    size            bigint NOT NULL CHECK (size > 0),
    tags            text[] NOT NULL CHECK (cardinality(tags) > 0),
    build_tag       text NOT NULL DEFAULT '',
    requires_python text,
    metadata_sha256 text NOT NULL CHECK (metadata_sha256 ~ '^[0-9a-f]{64}$'),
    built_at        timestamptz NOT NULL,
    published_at    timestamptz,
    removed_at      timestamptz,
    removed_reason  text
);
CREATE INDEX wheel_release ON wheel (release_id);
CREATE INDEX wheel_attempt ON wheel (attempt_id);
CREATE INDEX wheel_built ON wheel (built_at DESC);
COMMENT ON TABLE wheel IS 'A file we publish. Its name is its for ever: other content under the same name is refused.';
