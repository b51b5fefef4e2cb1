"""The SQL that stores a project's page; `store` runs it.

Everything starts at `project.name` (unique) and goes down the unique keys (project_id, version) and
(release_id, filename), so a page costs index walks of its own size, however large the catalog is.

`VALUES %s` is filled by `execute_values` with the templates beside the statements, which give NULLs their type.
"""

# Keys are used up only by rows that are new: ON CONFLICT alone would use one for every row that is there already, and
# integer keys would run out after some hundred syncs of the whole index.
INSERT_PROJECT = """
    INSERT INTO project (name, display_name) SELECT %(name)s, %(display_name)s
    WHERE NOT EXISTS (SELECT FROM project WHERE name = %(name)s)
    ON CONFLICT (name) DO NOTHING
"""
LOCK_PROJECT = """
    SELECT project_id, display_name, status, status_reason, changed_at IS NOT NULL AS known, gone_at IS NOT NULL AS gone
    FROM project WHERE name = %(name)s FOR UPDATE
"""
# stale_since moves with every change, though the pages have been stale longer: whoever writes the pages clears it only
# if it is still what it was before, and a change that came in between is not lost.
UPDATE_PROJECT = """
    UPDATE project SET
        display_name = %(display_name)s, status = %(status)s, status_reason = %(status_reason)s,
        skip_reason = %(skip_reason)s, serial = %(serial)s, etag = %(etag)s, checked_at = now(),
        gone_at = CASE WHEN %(gone)s THEN coalesce(gone_at, now()) END,
        changed_at = CASE WHEN %(changed)s THEN clock_timestamp() ELSE changed_at END,
        stale_since = CASE WHEN %(changed)s THEN clock_timestamp() ELSE stale_since END
    WHERE project_id = %(project_id)s
"""
# Its page says why a project could not be read, and no longer once it could.
CONFIRM_PROJECT = """
    UPDATE project SET checked_at = now(), skip_reason = NULL,
        stale_since = CASE WHEN skip_reason IS NULL THEN stale_since ELSE clock_timestamp() END
    WHERE name = %(name)s
"""
EXPLAIN_PROJECT = """
    UPDATE project SET skip_reason = %(reason)s, checked_at = CASE WHEN %(answered)s THEN now() ELSE checked_at END,
        stale_since = CASE WHEN skip_reason IS NOT DISTINCT FROM %(reason)s THEN stale_since ELSE clock_timestamp() END
    WHERE name = %(name)s
"""
KNOWN_ETAGS = "SELECT name, etag FROM project WHERE name = ANY(%(names)s) AND etag IS NOT NULL AND gone_at IS NULL"
HAS_ANY = """
    SELECT EXISTS (
        SELECT FROM project WHERE name = ANY(%(names)s) AND changed_at IS NOT NULL AND gone_at IS NULL
    ) AS found
"""

KNOWN_RELEASES = """
    SELECT release_id, gone_at IS NOT NULL AS gone, version, original_version, uploaded_at, yanked, yanked_reason
    FROM release WHERE project_id = %(project_id)s
"""
INSERT_RELEASES = """
    INSERT INTO release (project_id, version, original_version, uploaded_at, yanked, yanked_reason)
    VALUES %s RETURNING release_id, version
"""
UPDATE_RELEASES = """
    UPDATE release SET
        version = new.version, original_version = new.original_version, uploaded_at = new.uploaded_at,
        yanked = new.yanked, yanked_reason = new.yanked_reason, gone_at = NULL
    FROM (VALUES %s) AS new (release_id, version, original_version, uploaded_at, yanked, yanked_reason)
    WHERE release.release_id = new.release_id
"""
RELEASE_TEMPLATE = "(%s::integer, %s::text, %s::text, %s::timestamptz, %s::boolean, %s::text)"
END_RELEASES = "UPDATE release SET gone_at = now() WHERE release_id = ANY(%(ids)s)"

KNOWN_FILES = """
    SELECT upstream_file_id, version, filename, kind, url, hashes, size, upstream_file.uploaded_at, requires_python,
           upstream_file.yanked, upstream_file.yanked_reason, core_metadata, provenance
    FROM upstream_file JOIN release USING (release_id) WHERE project_id = %(project_id)s
"""
INSERT_FILES = """
    INSERT INTO upstream_file (release_id, filename, kind, url, hashes, size, uploaded_at, requires_python,
                               yanked, yanked_reason, core_metadata, provenance)
    SELECT release_id, filename, kind, url, hashes, size, new.uploaded_at, requires_python,
           new.yanked, new.yanked_reason, core_metadata, provenance
    FROM (VALUES %s) AS new (project_id, version, filename, kind, url, hashes, size, uploaded_at, requires_python,
                             yanked, yanked_reason, core_metadata, provenance)
    JOIN release USING (project_id, version)
"""
INSERT_FILE_TEMPLATE = (
    "(%s::integer, %s::text, %s::text, %s::text, %s::text, %s::jsonb, %s::bigint, %s::timestamptz, %s::text,"
    " %s::boolean, %s::text, %s::jsonb, %s::text)"
)
UPDATE_FILES = """
    UPDATE upstream_file SET
        filename = new.filename, kind = new.kind, url = new.url, hashes = new.hashes, size = new.size,
        uploaded_at = new.uploaded_at, requires_python = new.requires_python, yanked = new.yanked,
        yanked_reason = new.yanked_reason, core_metadata = new.core_metadata, provenance = new.provenance
    FROM (VALUES %s) AS new (upstream_file_id, filename, kind, url, hashes, size, uploaded_at, requires_python,
                             yanked, yanked_reason, core_metadata, provenance)
    WHERE upstream_file.upstream_file_id = new.upstream_file_id
"""
UPDATE_FILE_TEMPLATE = (
    "(%s::bigint, %s::text, %s::text, %s::text, %s::jsonb, %s::bigint, %s::timestamptz, %s::text,"
    " %s::boolean, %s::text, %s::jsonb, %s::text)"
)
DELETE_FILES = "DELETE FROM upstream_file WHERE upstream_file_id = ANY(%(ids)s)"
