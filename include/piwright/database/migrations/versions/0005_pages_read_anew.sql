-- What was read of pages before is not what is read of them now: files with one odd field were left out, addresses were
-- passed on as they came, and files that were deleted took a yank with them. A page that has not changed is answered by
-- its ETag, so without one each is read once more.

UPDATE project SET etag = NULL WHERE etag IS NOT NULL;

COMMENT ON COLUMN release.yanked IS
    'True when our wheels of it are: every source upstream offers is yanked, or, without a source, every file. Deleting files takes no yank back.';
