"""Status lists: verified, remembered, and never exchanged for an older one."""
