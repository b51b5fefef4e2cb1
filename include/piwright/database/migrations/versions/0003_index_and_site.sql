-- What the index lists, what the site shows, and who downloads it.

ALTER TABLE project ADD COLUMN summary text CHECK (length(summary) <= 512);
ALTER TABLE project ADD COLUMN listed boolean NOT NULL DEFAULT false;
ALTER TABLE project ADD COLUMN listed_extra boolean NOT NULL DEFAULT false;
ALTER TABLE project ADD COLUMN offered_wheels integer NOT NULL DEFAULT 0 CHECK (offered_wheels >= 0);
ALTER TABLE project ADD COLUMN offered_releases integer NOT NULL DEFAULT 0 CHECK (offered_releases >= 0);
ALTER TABLE project ADD COLUMN offered_bytes bigint NOT NULL DEFAULT 0 CHECK (offered_bytes >= 0);
CREATE INDEX project_listed ON project (name COLLATE "C") WHERE listed;
CREATE INDEX project_listed_extra ON project (name COLLATE "C") WHERE listed_extra;
COMMENT ON COLUMN project.summary IS 'What it says of itself: the summary of the newest wheel of ours.';
COMMENT ON COLUMN project.listed IS 'The published lists of the complete indexes name it.';
COMMENT ON COLUMN project.listed_extra IS 'The published list of the index of our files names it.';
COMMENT ON COLUMN project.offered_wheels IS 'Wheels of ours on its published pages.';
COMMENT ON COLUMN project.offered_releases IS 'Releases those wheels are of.';
COMMENT ON COLUMN project.offered_bytes IS 'Size of those wheels together.';

CREATE TABLE offer_count (
    offer_count_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    projects       bigint NOT NULL,
    releases       bigint NOT NULL,
    wheels         bigint NOT NULL,
    bytes          bigint NOT NULL
);
COMMENT ON TABLE offer_count IS
    'How many projects and releases have a wheel of ours, how many wheels, of how many bytes: the sums of the columns. '
    'The publisher appends what changes and folds the rows together now and then.';

CREATE FUNCTION fold_offer_counts() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH folded AS (
        DELETE FROM offer_count WHERE pg_try_advisory_xact_lock(7067) RETURNING projects, releases, wheels, bytes
    )
    INSERT INTO offer_count (projects, releases, wheels, bytes)
    SELECT sum(projects), sum(releases), sum(wheels), sum(bytes) FROM folded HAVING count(*) > 0;
$$;

ALTER TABLE attempt ADD COLUMN page_at timestamptz;
CREATE INDEX attempt_page_due ON attempt (job_id) WHERE page_at IS NULL;
COMMENT ON COLUMN attempt.page_at IS 'When its page was written; null: it is due.';

CREATE TABLE build_hour (
    hour          timestamptz NOT NULL,
    target_id     integer NOT NULL REFERENCES target,
    worker_id     integer REFERENCES worker,
    failure_class text NOT NULL DEFAULT '',
    attempts      bigint NOT NULL,
    seconds       double precision NOT NULL,
    build_hour_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    UNIQUE NULLS NOT DISTINCT (hour, target_id, worker_id, failure_class)
);
CREATE INDEX build_hour_worker ON build_hour (worker_id, hour);
COMMENT ON TABLE build_hour IS 'Attempts recorded in an hour, by target, worker and failure class. Kept as attempts arrive.';
COMMENT ON COLUMN build_hour.failure_class IS 'Empty for what was built.';
COMMENT ON COLUMN build_hour.seconds IS 'How long the attempts took together.';

CREATE TABLE build_day (
    day           date NOT NULL,
    target_id     integer NOT NULL REFERENCES target,
    worker_id     integer REFERENCES worker,
    failure_class text NOT NULL DEFAULT '',
    attempts      bigint NOT NULL,
    seconds       double precision NOT NULL,
    build_day_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    UNIQUE NULLS NOT DISTINCT (day, target_id, worker_id, failure_class)
);
CREATE INDEX build_day_worker ON build_day (worker_id, day);
COMMENT ON TABLE build_day IS 'Attempts recorded on a day (UTC), by target, worker and failure class. Kept as attempts arrive.';
COMMENT ON COLUMN build_day.failure_class IS 'Empty for what was built.';
COMMENT ON COLUMN build_day.seconds IS 'How long the attempts took together.';

CREATE FUNCTION roll_up_attempts() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    -- In the order of the keys: two batches that are recorded at the same time wait for each other and never in a ring.
    INSERT INTO build_hour AS known (hour, target_id, worker_id, failure_class, attempts, seconds)
    SELECT date_trunc('hour', a.recorded_at, 'UTC'), j.target_id, a.worker_id, coalesce(a.failure_class, ''), count(*),
           sum(extract(epoch FROM a.finished_at - a.started_at))
    FROM new_attempts a JOIN job j USING (job_id)
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (hour, target_id, worker_id, failure_class) DO UPDATE
    SET attempts = known.attempts + excluded.attempts, seconds = known.seconds + excluded.seconds;
    INSERT INTO build_day AS known (day, target_id, worker_id, failure_class, attempts, seconds)
    SELECT (a.recorded_at AT TIME ZONE 'UTC')::date, j.target_id, a.worker_id, coalesce(a.failure_class, ''), count(*),
           sum(extract(epoch FROM a.finished_at - a.started_at))
    FROM new_attempts a JOIN job j USING (job_id)
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (day, target_id, worker_id, failure_class) DO UPDATE
    SET attempts = known.attempts + excluded.attempts, seconds = known.seconds + excluded.seconds;
    RETURN NULL;
END $$;
CREATE TRIGGER attempt_inserted AFTER INSERT ON attempt
    REFERENCING NEW TABLE AS new_attempts FOR EACH STATEMENT EXECUTE FUNCTION roll_up_attempts();

INSERT INTO build_hour (hour, target_id, worker_id, failure_class, attempts, seconds)
SELECT date_trunc('hour', a.recorded_at, 'UTC'), j.target_id, a.worker_id, coalesce(a.failure_class, ''), count(*),
       sum(extract(epoch FROM a.finished_at - a.started_at))
FROM attempt a JOIN job j USING (job_id) GROUP BY 1, 2, 3, 4;
INSERT INTO build_day (day, target_id, worker_id, failure_class, attempts, seconds)
SELECT (a.recorded_at AT TIME ZONE 'UTC')::date, j.target_id, a.worker_id, coalesce(a.failure_class, ''), count(*),
       sum(extract(epoch FROM a.finished_at - a.started_at))
FROM attempt a JOIN job j USING (job_id) GROUP BY 1, 2, 3, 4;

CREATE TABLE download (
    wheel_id  bigint NOT NULL REFERENCES wheel ON DELETE CASCADE,
    day       date NOT NULL,
    target    text NOT NULL CHECK (length(target) <= 64),
    python    text NOT NULL CHECK (length(python) <= 16),
    installer text NOT NULL CHECK (length(installer) <= 32),
    downloads bigint NOT NULL CHECK (downloads > 0),
    PRIMARY KEY (wheel_id, day, target, python, installer)
);
CREATE INDEX download_day ON download (day);
COMMENT ON TABLE download IS 'How often a wheel of ours was fetched on a day (UTC), and by what. Nobody''s address is kept.';
COMMENT ON COLUMN download.target IS 'Distribution, Python and architecture as the installer says, such as bookworm-cp311-armv7l; empty parts left out.';

CREATE TABLE project_download (
    project_id integer NOT NULL REFERENCES project ON DELETE CASCADE,
    day        date NOT NULL,
    downloads  bigint NOT NULL CHECK (downloads > 0),
    PRIMARY KEY (project_id, day)
);
CREATE INDEX project_download_day ON project_download (day, downloads DESC);
COMMENT ON TABLE project_download IS 'How often wheels of a project were fetched on a day (UTC): what project pages show.';

CREATE TABLE access_log (
    access_log_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint   text NOT NULL UNIQUE CHECK (length(fingerprint) <= 128),
    position      bigint NOT NULL CHECK (position >= 0),
    read_at       timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE access_log IS 'How far an access log has been counted, so that no line counts twice.';
COMMENT ON COLUMN access_log.fingerprint IS 'What tells the file from others, also after it was renamed: a hash of its beginning.';

-- Every page is made anew with what this brings.
UPDATE project SET stale_since = coalesce(stale_since, now());
