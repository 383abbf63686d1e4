"""One module a revision, oldest first. A revision that has been released is never changed."""
