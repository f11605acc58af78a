"""The web process: the HTTP API over management, and the pages that use it. Thin: rules live in manage/."""
