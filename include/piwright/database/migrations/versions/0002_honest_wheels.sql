-- What workers can do, wheels that are held back, and builds that may use the network.

ALTER TABLE target ADD COLUMN preinstalled text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN target.preinstalled IS 'Debian packages the distribution ships: no wheel has to ask for them.';

CREATE TABLE target_library (
    target_id integer NOT NULL REFERENCES target ON DELETE CASCADE,
    soname    text NOT NULL CHECK (length(soname) BETWEEN 1 AND 255),
    package   text NOT NULL CHECK (length(package) BETWEEN 1 AND 255),
    PRIMARY KEY (target_id, soname)
);
COMMENT ON TABLE target_library IS 'A shared library workers of a target have, and the Debian package it came with.';
COMMENT ON COLUMN target_library.soname IS 'As a binary asks for it (DT_NEEDED), such as libffi.so.8.';

ALTER TABLE worker DROP CONSTRAINT worker_state_check;
ALTER TABLE worker ADD CONSTRAINT worker_state_check CHECK (state IN ('live', 'drained', 'lost', 'refused'));
ALTER TABLE worker ADD COLUMN seen_at timestamptz;
-- Until now the one column said both.
UPDATE worker SET seen_at = probed_at, probed_at = NULL;
COMMENT ON COLUMN worker.state IS 'refused: what it said of itself does not let us build on it; state_reason says why.';
COMMENT ON COLUMN worker.facts IS 'What it last said of itself, cleaned; believed nowhere.';
COMMENT ON COLUMN worker.probed_at IS 'When it said so; null: it has to be asked before it is used.';
COMMENT ON COLUMN worker.seen_at IS 'When it last answered, or was last found lost.';

ALTER TABLE attempt ADD COLUMN smoke jsonb;
ALTER TABLE attempt ADD COLUMN sandbox jsonb;
ALTER TABLE attempt ADD COLUMN connections integer CHECK (connections >= 0);
COMMENT ON COLUMN attempt.smoke IS 'How importing its wheel went: outcome, detail, modules; null when it was not tried.';
COMMENT ON COLUMN attempt.sandbox IS 'The means that held the build: kind, memory, processes, space; null when unknown.';
COMMENT ON COLUMN attempt.connections IS
    'How often it tried to reach another machine while it had no network, look-ups of names included; null: not counted.';

ALTER TABLE wheel ADD COLUMN held_reason text;
ALTER TABLE wheel ADD COLUMN held_by text;
ALTER TABLE wheel ADD COLUMN released_reason text;
ALTER TABLE wheel ADD COLUMN released_by text;
ALTER TABLE wheel ADD COLUMN released_at timestamptz;
ALTER TABLE wheel ADD COLUMN apt_packages text[] NOT NULL DEFAULT '{}';
ALTER TABLE wheel ADD COLUMN facts jsonb NOT NULL DEFAULT '{}';
ALTER TABLE wheel ADD COLUMN note text;
ALTER TABLE wheel ADD CONSTRAINT wheel_held_check CHECK (held_by IS NULL OR held_reason IS NOT NULL);
ALTER TABLE wheel ADD CONSTRAINT wheel_released_check
    CHECK ((released_by IS NULL) = (released_at IS NULL) AND (released_by IS NULL OR held_reason IS NULL));
CREATE INDEX wheel_held ON wheel (wheel_id) WHERE held_reason IS NOT NULL;
COMMENT ON COLUMN wheel.held_reason IS 'Why it is not offered; null when it is.';
COMMENT ON COLUMN wheel.held_by IS 'The operator who holds it; null: the shop itself, because it does not import.';
COMMENT ON COLUMN wheel.released_reason IS 'Why an operator offers it although it was held.';
COMMENT ON COLUMN wheel.apt_packages IS 'Debian packages it needs at run time, without those the distribution ships.';
COMMENT ON COLUMN wheel.facts IS 'What its binaries are: machine, libraries, glibc; and what was corrected.';
COMMENT ON COLUMN wheel.note IS 'What a person should know of it, such as an extension that is missing; it is offered all the same.';

CREATE TABLE network_exception (
    project_id integer PRIMARY KEY REFERENCES project ON DELETE CASCADE,
    reason     text NOT NULL CHECK (reason <> ''),
    allowed_by text NOT NULL,
    allowed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE network_exception IS 'A project whose builds may use the network, because an operator said so.';
