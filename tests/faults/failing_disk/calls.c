/* The calls that are followed. */

#include "failing_disk.h"

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
