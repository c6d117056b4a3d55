/*
 * The system calls that Berkeley DB makes on files. It does not always say why something failed,
 * goes on after a failed fsync, and leaves new names to the file system's goodwill; here they are
 * watched and completed.
 */
#ifndef BAZAR_STORE_IO_H
#define BAZAR_STORE_IO_H

/* Before any environment is opened; more than once does nothing. */
void io_setup(void);

/* errno of the first call since io_setup that failed for a reason outside of the store (full,
 * failing, read-only disk; no memory, no descriptors ...); 0: none did. */
int io_error(void);

#endif
