"""Facts in tables: exit statuses, CUDA and Xid numbers, reasons of the operating system, what fits what."""
