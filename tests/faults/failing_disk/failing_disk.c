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

#include "failing_disk.h"

static char folder[PATH_MAX];
static size_t folder_size;
struct control *control;
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

int is_ours(int fd, char path[PATH_MAX]) {
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
int is_named(int at, const char *name, char path[PATH_MAX]) {
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

int64_t inode_of(int fd, const char *path) {
    struct stat status;
    int kept = errno;
    int failed = fd >= 0 ? fstat(fd, &status) : lstat(path, &status);
    errno = kept;
    return failed ? 0 : (int64_t)status.st_ino;
}

/* ---- what happens to it ----------------------------------------------------------------- */

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
void enter(struct call *call) {
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

int refuses(const struct call *call) { return call->mode == FAIL; }

/* Record the call, whose own result was `result`, and give what the caller is told. */
int64_t leave(const struct call *call, int64_t result, int failure) {
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

/* ---- for the process under test --------------------------------------------------------- */

/* Put words of the process's own into the trace, in their order among its calls. */
void failing_disk_mark(const char *data, size_t size) {
    struct call call = {.kind = MARK, .data = data, .data_size = size};
    if (!control) return;
    pthread_mutex_lock(&lock);
    note(&call, DONE, 0);
    pthread_mutex_unlock(&lock);
}
