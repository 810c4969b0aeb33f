/* What the calls and the machinery share; hidden, so that no other library's names are taken. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) == 8, "needs 64-bit file offsets");

enum { WRITE = 1, SYNC = 2, TRUNCATE = 4, RENAME = 8, UNLINK = 16, CREATE = 32, OPEN = 64, FOLDER = 128, LINK = 256, MARK = 512 };
enum { NONE, FAIL, PERSISTED, KILL_BEFORE, KILL_AFTER, TORN };
enum { DONE = 1, FAILED = 2, PLANTED = 4 };

struct control { /* shared with the test; all 64 bits */
    int64_t kinds;       /* the kinds of calls that count */
    int64_t calls;       /* how many there were */
    int64_t first, last; /* the numbers (from 1) of those at which something happens */
    int64_t mode, error;
    int64_t delay_kinds, delay_us;
    int64_t space; /* bytes by which files may still grow; negative: any */
};

struct record { /* then path, other path, data */
    uint32_t size, kind, flags;
    int32_t error;
    int64_t number, inode, offset;
    uint32_t path_size, other_size, data_size, unused;
};

#pragma GCC visibility push(hidden)

extern struct control *control;

struct call {
    uint32_t kind;
    const char *path, *other;
    int64_t number, inode, offset;
    const void *data;
    size_t data_size;
    int mode;
};

int is_ours(int fd, char path[PATH_MAX]);
int is_named(int at, const char *name, char path[PATH_MAX]);
int64_t inode_of(int fd, const char *path);
void enter(struct call *call);
int refuses(const struct call *call);
int64_t leave(const struct call *call, int64_t result, int failure);

#pragma GCC visibility pop
