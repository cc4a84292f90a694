"""The audit log as people read it: sentences, values before and after, pages, exports."""
