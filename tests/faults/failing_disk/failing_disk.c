/* A disk that fails when it is told to, put below everything that writes (LD_PRELOAD).
 *
 * Calls that change files below one folder are counted, recorded in order in a trace and, as the
 * control block says, made to fail, to fail although they were done, or to be the last thing that
 * the process does. Calls elsewhere pass through. fsync and fdatasync below the folder are
 * recorded and not passed on: what would have reached the disk is worked out from the trace
 * (tests/fakes/power_loss.py), so a test never waits for a real disk.
 *
 * For 64-bit Linux. Not seen: stores into mappings (SQLite's -shm, which a power loss makes
 * void anyway), stdio's own writes, io_uring. Formats: tests/fakes/failing_disk.py reads both.
 */

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

static char folder[PATH_MAX];
static size_t folder_size;
static struct control *control;
static int trace = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- set-up ---------------------------------------------------------------------------- */

int failing_disk_begin(const char *below, const char *control_path, const char *trace_path) {
    int fd = (int)syscall(SYS_openat, AT_FDCWD, control_path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) return -1;
    void *block = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (block == MAP_FAILED || strlen(below) >= sizeof folder) return -1;
    trace = (int)syscall(SYS_openat, AT_FDCWD, trace_path,
                         O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (trace < 0) return -1;
    strcpy(folder, below);
    folder_size = strlen(folder);
    control = block;
    return 0;
}

static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork(void) { pthread_mutex_unlock(&lock); }

__attribute__((constructor)) static void begin(void) {
    pthread_atfork(before_fork, after_fork, after_fork);
    const char *below = getenv("FAILING_DISK_FOLDER");
    const char *block = getenv("FAILING_DISK_CONTROL"), *file = getenv("FAILING_DISK_TRACE");
    if (below && block && file && failing_disk_begin(below, block, file) != 0) {
        dprintf(2, "failing_disk: cannot begin\n");
        _exit(99);
    }
}

/* ---- what a call is about --------------------------------------------------------------- */

static int is_below(const char *path) {
    return control && strncmp(path, folder, folder_size) == 0 &&
           (path[folder_size] == '/' || path[folder_size] == '\0');
}

static int is_ours(int fd, char path[PATH_MAX]) {
    if (!control) return 0;
    int kept = errno;
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, PATH_MAX - 1);
    errno = kept;
    if (size < 0) return 0;
    path[size] = '\0';
    return is_below(path);
}

/* The absolute name, links in its folder followed. */
static int is_named(int at, const char *name, char path[PATH_MAX]) {
    if (!control || !name) return 0;
    int kept = errno;
    char whole[PATH_MAX * 2] = "", base[NAME_MAX + 1], parent[PATH_MAX];
    if (name[0] != '/') {
        char link[32];
        if (at == AT_FDCWD) strcpy(link, "/proc/self/cwd");
        else snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        ssize_t size = readlink(link, whole, PATH_MAX - 1);
        if (size < 0) size = 0;
        whole[size] = '/';
        whole[size + 1] = '\0';
    }
    strncat(whole, name, PATH_MAX - 1);
    char *slash = strrchr(whole, '/');
    int found = 0;
    if (slash && strlen(slash + 1) <= NAME_MAX) {
        strcpy(base, slash + 1);
        slash[slash == whole] = '\0';
        if (realpath(whole, parent))
            found = snprintf(path, PATH_MAX, "%s/%s", parent, base) < PATH_MAX && is_below(path);
    }
    errno = kept;
    return found;
}

static int64_t inode_of(int fd, const char *path) {
    struct stat status;
    int kept = errno;
    int failed = fd >= 0 ? fstat(fd, &status) : lstat(path, &status);
    errno = kept;
    return failed ? 0 : (int64_t)status.st_ino;
}

/* ---- what happens to it ----------------------------------------------------------------- */

struct call {
    uint32_t kind;
    const char *path, *other;
    int64_t number, inode, offset;
    const void *data;
    size_t data_size;
    int mode;
};

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

static void note(const struct call *call, uint32_t flags, int error) {
    int kept = errno;
    struct record record = {.kind = call->kind, .flags = flags, .error = error,
                            .number = call->number, .inode = call->inode, .offset = call->offset,
                            .path_size = (uint32_t)strlen(call->path ? call->path : ""),
                            .other_size = (uint32_t)strlen(call->other ? call->other : ""),
                            .data_size = (uint32_t)call->data_size};
    size_t size = sizeof record + record.path_size + record.other_size + record.data_size;
    record.size = (uint32_t)size;
    char *whole = malloc(size), *end = whole;
    if (!whole) abort();
    memcpy(end, &record, sizeof record), end += sizeof record;
    if (record.path_size) memcpy(end, call->path, record.path_size), end += record.path_size;
    if (record.other_size) memcpy(end, call->other, record.other_size), end += record.other_size;
    if (record.data_size) memcpy(end, call->data, record.data_size);
    if (syscall(SYS_write, trace, whole, size) != (long)size) abort();
    free(whole);
    errno = kept;
}

/* Waits, takes the lock and decides; each entered call ends in `leave`. */
static void enter(struct call *call) {
    if (control->delay_kinds & call->kind && control->delay_us > 0) {
        struct timespec time = {control->delay_us / 1000000, control->delay_us % 1000000 * 1000};
        nanosleep(&time, NULL);
    }
    pthread_mutex_lock(&lock);
    call->mode = NONE;
    if (!(control->kinds & call->kind)) return;
    call->number = __atomic_add_fetch(&control->calls, 1, __ATOMIC_SEQ_CST);
    if (control->first <= call->number && call->number <= control->last)
        call->mode = (int)control->mode;
    if (call->mode == KILL_BEFORE) die();
}

static int refuses(const struct call *call) { return call->mode == FAIL; }

/* Record the call, whose own result was `result`, and give what the caller is told. */
static int64_t leave(const struct call *call, int64_t result, int failure) {
    int error = result < 0 ? failure : 0;
    uint32_t flags = (result < 0 ? FAILED : DONE) | (call->mode ? PLANTED : 0);
    if (call->mode == FAIL || call->mode == PERSISTED) {
        error = (int)control->error;
        flags |= FAILED;
        result = -1;
    }
    note(call, flags, error);
    if (call->mode == KILL_AFTER || call->mode == TORN) die();
    pthread_mutex_unlock(&lock);
    if (result < 0) errno = error;
    return result;
}

/* How many of `size` bytes at `offset` the disk has room for. */
static size_t room_for(int fd, size_t size, int64_t offset) {
    struct stat status;
    if (control->space < 0 || fstat(fd, &status) != 0) return size;
    int64_t grows = offset + (int64_t)size - status.st_size;
    if (grows <= 0) return size;
    int64_t lacking = grows - control->space;
    if (lacking <= 0) {
        control->space -= grows;
        return size;
    }
    control->space = 0;
    return lacking >= (int64_t)size ? 0 : size - (size_t)lacking;
}

static ssize_t put(int fd, const void *data, size_t size, int64_t at, const char *path) {
    struct call call = {.kind = WRITE, .path = path, .inode = inode_of(fd, NULL), .data = data};
    enter(&call);
    int64_t offset = at;
    if (at < 0) {
        int flags = fcntl(fd, F_GETFL);
        offset = lseek(fd, 0, flags & O_APPEND ? SEEK_END : SEEK_CUR);
    }
    call.offset = offset;
    if (refuses(&call)) return leave(&call, -1, 0);
    size_t wanted = call.mode == TORN ? size / 2 : size;
    size_t fits = room_for(fd, wanted, offset);
    if (wanted && !fits) return leave(&call, -1, ENOSPC);
    ssize_t result = at < 0 ? syscall(SYS_write, fd, data, fits)
                            : syscall(SYS_pwrite64, fd, data, fits, (off_t)at);
    int failure = errno;
    call.data_size = result > 0 ? (size_t)result : 0;
    return leave(&call, result, failure);
}

/* ---- the calls -------------------------------------------------------------------------- */

ssize_t write(int fd, const void *data, size_t size) {
    char path[PATH_MAX];
    if (!is_ours(fd, path)) return syscall(SYS_write, fd, data, size);
    return put(fd, data, size, -1, path);
}

static ssize_t write_at(int fd, const void *data, size_t size, off_t at) {
    char path[PATH_MAX];
    if (!is_ours(fd, path)) return syscall(SYS_pwrite64, fd, data, size, at);
    return put(fd, data, size, at, path);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return write_at(fd, data, size, at); }

static ssize_t gather(int fd, const struct iovec *parts, int count, off_t at, const char *path) {
    size_t size = 0;
    for (int i = 0; i < count; i++) size += parts[i].iov_len;
    char *whole = malloc(size + 1), *end = whole;
    if (!whole) abort();
    for (int i = 0; i < count; i++) memcpy(end, parts[i].iov_base, parts[i].iov_len), end += parts[i].iov_len;
    ssize_t result = put(fd, whole, size, at, path);
    int kept = errno;
    free(whole);
    errno = kept;
    return result;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    char path[PATH_MAX];
    if (!is_ours(fd, path)) return syscall(SYS_writev, fd, parts, count);
    return gather(fd, parts, count, -1, path);
}

static ssize_t copy_between(int to, int from, off_t *offset, size_t size, const char *path) {
    char part[65536];
    size_t wanted = size < sizeof part ? size : sizeof part;
    ssize_t got = offset ? pread(from, part, wanted, *offset) : read(from, part, wanted);
    if (got <= 0) return got;
    ssize_t result = put(to, part, (size_t)got, -1, path);
    if (result > 0 && offset) *offset += result;
    return result;
}

ssize_t sendfile(int to, int from, off_t *offset, size_t size) {
    char path[PATH_MAX];
    if (!is_ours(to, path)) return syscall(SYS_sendfile, to, from, offset, size);
    return copy_between(to, from, offset, size, path);
}

static int flush(int fd, int is_data_only) {
    char path[PATH_MAX];
    if (!is_ours(fd, path)) return (int)syscall(is_data_only ? SYS_fdatasync : SYS_fsync, fd);
    struct call call = {.kind = SYNC, .path = path, .inode = inode_of(fd, NULL)};
    enter(&call);
    return (int)leave(&call, refuses(&call) ? -1 : 0, 0);
}

int fsync(int fd) { return flush(fd, 0); }
int fdatasync(int fd) { return flush(fd, 1); }

static int cut(int fd, off_t size) {
    char path[PATH_MAX];
    if (!is_ours(fd, path)) return (int)syscall(SYS_ftruncate, fd, size);
    struct call call = {.kind = TRUNCATE, .path = path, .inode = inode_of(fd, NULL), .offset = size};
    enter(&call);
    if (refuses(&call)) return (int)leave(&call, -1, 0);
    int result = (int)syscall(SYS_ftruncate, fd, size);
    return (int)leave(&call, result, errno);
}

int ftruncate(int fd, off_t size) { return cut(fd, size); }

static int open_any(int at, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    int changes = flags & (O_CREAT | O_TRUNC | O_WRONLY | O_RDWR);
    if (!changes || (flags & O_TMPFILE) == O_TMPFILE || !is_named(at, name, path))
        return (int)syscall(SYS_openat, at, name, flags, mode);
    struct stat status;
    int is_new = flags & O_CREAT && stat(path, &status) != 0;
    int cuts = !is_new && flags & O_TRUNC;
    struct call call = {.kind = is_new ? CREATE : cuts ? TRUNCATE : OPEN, .path = path};
    enter(&call);
    if (refuses(&call)) return (int)leave(&call, -1, 0);
    int fd = (int)syscall(SYS_openat, at, name, flags, mode);
    int failure = errno;
    if (fd >= 0) call.inode = inode_of(fd, NULL);
    int told = (int)leave(&call, fd, failure);
    if (told < 0 && fd >= 0) {
        syscall(SYS_close, fd);
        errno = (int)control->error;
    }
    return told;
}

#define MODE_OF(flags) \
    mode_t mode = 0; \
    if ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }

int open(const char *name, int flags, ...) { MODE_OF(flags) return open_any(AT_FDCWD, name, flags, mode); }
int openat(int at, const char *name, int flags, ...) { MODE_OF(flags) return open_any(at, name, flags, mode); }
int creat(const char *name, mode_t mode) { return open_any(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }

static int move(int at, const char *name, int to_at, const char *to, unsigned flags) {
    char path[PATH_MAX], other[PATH_MAX];
    if (!is_named(at, name, path) || !is_named(to_at, to, other))
        return (int)syscall(SYS_renameat2, at, name, to_at, to, flags);
    struct call call = {.kind = RENAME, .path = path, .other = other, .inode = inode_of(-1, path)};
    enter(&call);
    if (refuses(&call)) return (int)leave(&call, -1, 0);
    int result = (int)syscall(SYS_renameat2, at, name, to_at, to, flags);
    return (int)leave(&call, result, errno);
}

int rename(const char *name, const char *to) { return move(AT_FDCWD, name, AT_FDCWD, to, 0); }
int renameat(int at, const char *name, int to_at, const char *to) { return move(at, name, to_at, to, 0); }

static int link_any(int at, const char *name, int to_at, const char *to, int flags) {
    char path[PATH_MAX], other[PATH_MAX];
    if (!is_named(at, name, path) || !is_named(to_at, to, other))
        return (int)syscall(SYS_linkat, at, name, to_at, to, flags);
    struct call call = {.kind = LINK, .path = path, .other = other, .inode = inode_of(-1, path)};
    enter(&call);
    if (refuses(&call)) return (int)leave(&call, -1, 0);
    int result = (int)syscall(SYS_linkat, at, name, to_at, to, flags);
    return (int)leave(&call, result, errno);
}

int link(const char *name, const char *to) { return link_any(AT_FDCWD, name, AT_FDCWD, to, 0); }
int linkat(int at, const char *name, int to_at, const char *to, int flags) { return link_any(at, name, to_at, to, flags); }

static int take_away(int at, const char *name, int flags) {
    char path[PATH_MAX];
    if (!is_named(at, name, path)) return (int)syscall(SYS_unlinkat, at, name, flags);
    struct call call = {.kind = UNLINK, .path = path, .inode = inode_of(-1, path)};
    enter(&call);
    if (refuses(&call)) return (int)leave(&call, -1, 0);
    int result = (int)syscall(SYS_unlinkat, at, name, flags);
    return (int)leave(&call, result, errno);
}

int unlink(const char *name) { return take_away(AT_FDCWD, name, 0); }
int unlinkat(int at, const char *name, int flags) { return take_away(at, name, flags); }
int rmdir(const char *name) { return take_away(AT_FDCWD, name, AT_REMOVEDIR); }

int mkdirat(int at, const char *name, mode_t mode) {
    char path[PATH_MAX];
    if (!is_named(at, name, path)) return (int)syscall(SYS_mkdirat, at, name, mode);
    struct call call = {.kind = FOLDER, .path = path};
    enter(&call);
    if (refuses(&call)) return (int)leave(&call, -1, 0);
    int result = (int)syscall(SYS_mkdirat, at, name, mode), failure = errno;
    call.inode = inode_of(-1, path);
    return (int)leave(&call, result, failure);
}

int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

/* What this file cannot follow is refused rather than missed. */
int posix_fallocate(int fd, off_t offset, off_t size) {
    char path[PATH_MAX];
    if (is_ours(fd, path)) return EOPNOTSUPP;
    return syscall(SYS_fallocate, fd, 0, offset, size) ? errno : 0;
}

ssize_t copy_file_range(int from, off_t *at, int to, off_t *to_at, size_t size, unsigned flags) {
    char path[PATH_MAX];
    if (is_ours(to, path)) return errno = EOPNOTSUPP, -1;
    return syscall(SYS_copy_file_range, from, at, to, to_at, size, flags);
}

#ifdef __GLIBC__ /* its programs call these names; the types are the same */
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { return write_at(fd, data, size, at); }
ssize_t sendfile64(int to, int from, off64_t *offset, size_t size) { return sendfile(to, from, offset, size); }
int ftruncate64(int fd, off64_t size) { return cut(fd, size); }
int open64(const char *name, int flags, ...) { MODE_OF(flags) return open_any(AT_FDCWD, name, flags, mode); }
int openat64(int at, const char *name, int flags, ...) { MODE_OF(flags) return open_any(at, name, flags, mode); }
int posix_fallocate64(int fd, off64_t offset, off64_t size) { return posix_fallocate(fd, offset, size); }
#endif

/* ---- for the process under test --------------------------------------------------------- */

/* Put words of the process's own into the trace, in their order among its calls. */
void failing_disk_mark(const char *data, size_t size) {
    struct call call = {.kind = MARK, .data = data, .data_size = size};
    if (!control) return;
    pthread_mutex_lock(&lock);
    note(&call, DONE, 0);
    pthread_mutex_unlock(&lock);
}
