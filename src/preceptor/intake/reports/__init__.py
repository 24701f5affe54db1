"""Labels from reports: ``rules`` read one, ``labelling`` a table of them, ``rereading`` tells how often they err."""
