"""What exists upstream: reads the watch list and the index, and stores projects, releases and files.

`update` brings the catalog up to date: `watch_list` says what to look at, `fetch` asks upstream, `page` understands the
answer, `diff` decides what changed, `store` writes it. `intervals` finds the releases of a day.
"""
