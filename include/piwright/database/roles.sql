-- What each role may do; run after every migration, by the owner.
-- The application may do what the code does and no more; the analyst may read.

GRANT USAGE ON SCHEMA public TO {app}, {analyst};
GRANT SELECT ON ALL TABLES IN SCHEMA public TO {app}, {analyst};
GRANT INSERT, UPDATE ON project, release, upstream_file, target, worker, batch, job, lease TO {app};
GRANT INSERT ON watch, attempt, wheel, target_library, network_exception, offer_count TO {app};
GRANT INSERT, UPDATE ON download, project_download, access_log TO {app};
GRANT UPDATE (queued_at) ON watch TO {app};
GRANT UPDATE (published_at, removed_at, removed_reason) ON wheel TO {app};
GRANT UPDATE (held_reason, held_by, released_reason, released_by, released_at) ON wheel TO {app};
GRANT UPDATE (package) ON target_library TO {app};
GRANT UPDATE (page_at) ON attempt TO {app};
GRANT UPDATE (reason, allowed_by, allowed_at) ON network_exception TO {app};
GRANT DELETE ON upstream_file, watch, lease, network_exception TO {app};
