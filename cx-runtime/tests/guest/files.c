// Files: descriptors, positions, names, locks, times, attributes.
#include "cases.h"
#include <dirent.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

static char buffer[8192];
static int make(const char *name, const char *text) {
    int f = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
    write(f, text, strlen(text));
    lseek(f, 0, SEEK_SET);
    return f;
}
static void show(const char *name) {
    int f = open(name, O_RDONLY);
    long n = read(f, buffer, sizeof buffer - 1);
    buffer[n < 0 ? 0 : n] = 0;
    printf("%s holds \"%s\"\n", name, buffer);
    close(f);
}

static void opens(void) {
    make("a", "text");
    mkdir("d", 0755);
    symlink("a", "l");
    symlink("none", "dangling");
    symlink("loop", "loop");
    mkfifo("p", 0600);
    SAY(open("none", O_RDONLY));
    SAY(open("a/b", O_RDONLY));
    SAY(open("a/", O_RDONLY));
    SAY(open("d", O_WRONLY));
    SAY(open("d", O_RDWR | O_CREAT, 0600));
    SAY(open("none/", O_CREAT | O_WRONLY, 0600));
    SAY(open("a", O_CREAT | O_EXCL, 0600));
    SAY(open("dangling", O_CREAT | O_EXCL, 0600));
    SAY(open("l", O_NOFOLLOW));
    SAY(open("loop", O_RDONLY));
    SAY(open("a", O_DIRECTORY));
    SAY(open("", O_RDONLY));
    SAY(open((void *)1, O_RDONLY));
    SAY(open("p", O_WRONLY | O_NONBLOCK));
    SAY(open("d", O_TMPFILE | O_RDONLY, 0600));
    SAY(openat(99, "a", O_RDONLY));
    SAY(openat(AT_FDCWD, "a", O_RDONLY) > 2);
    char longer[300];
    memset(longer, 'n', 299);
    longer[299] = 0;
    SAY(open(longer, O_RDONLY));
    char *deep = malloc(5000);
    memset(deep, '/', 4999);
    deep[4999] = 0;
    SAY(open(deep, O_RDONLY));
    int d = open("d", O_RDONLY);
    SAY(openat(d, "../a", O_RDONLY) > 2);
    SAY(openat(open("a", O_RDONLY), "x", O_RDONLY));
    int f = open("a", O_WRONLY | O_TRUNC);
    SAY(read(f, buffer, 1));
    f = open("a", O_RDONLY);
    SAY(write(f, "x", 1));
    SAY(read(d, buffer, 1));
    SAY(read(99, buffer, 1));
    f = open("a", O_WRONLY | O_APPEND);
    SAY(write(f, "ab", 2));
    SAY(lseek(f, 0, SEEK_SET));
    SAY(write(f, "cd", 2));
    SAY(pwrite(f, "ef", 2, 0));
    show("a");
    SAY(fcntl(f, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
    SAY(fcntl(f, F_SETFL, O_NONBLOCK));
    SAY(fcntl(f, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
    SAY(write(f, "Z", 1));
    show("a");
    f = open("dangling", O_CREAT | O_WRONLY, 0640);
    SAY(f > 2);
    struct stat st;
    SAY(stat("none", &st));
    printf("%o\n", st.st_mode);
    f = open(".", O_TMPFILE | O_RDWR, 0600);
    SAY(f > 2);
    SAY(write(f, "unnamed", 7));
    fstat(f, &st);
    printf("links %ld\n", (long)st.st_nlink);
    char path[64];
    sprintf(path, "/proc/self/fd/%d", f);
    SAY(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
    show("named");
    f = open("l", O_PATH | O_NOFOLLOW);
    SAY(fstat(f, &st));
    printf("%o\n", st.st_mode & S_IFMT);
    SAY(read(f, buffer, 1));
    SAY(fchmod(f, 0600));
    SAY(readlinkat(f, "", buffer, 100));
    f = open("a", O_PATH);
    sprintf(path, "/proc/self/fd/%d", f);
    SAY(open(path, O_RDONLY) > 2);
    SAY(access("a", X_OK));
    SAY(access("a", R_OK | W_OK));
    SAY(access("none2", F_OK));
    SAY(access("a", 99));
    SAY(faccessat(AT_FDCWD, "l", F_OK, AT_SYMLINK_NOFOLLOW));
    SAY(creat("c", 0444) > 2);
    SAY(umask(0));
    SAY(mkdir("e", 01777));
    stat("e", &st);
    printf("%o\n", st.st_mode & 07777);
    umask(022);
}

static void descriptors(void) {
    int f = make("a", "0123456789");
    SAY(dup2(f, 50));
    SAY(lseek(50, 5, SEEK_SET));
    SAY(read(f, buffer, 2));
    SAY(dup3(f, 50, 0));
    SAY(dup3(f, f, 0));
    SAY(dup2(f, f) == f);
    SAY(dup2(99, 60));
    SAY(dup2(f, -1));
    SAY(dup3(f, 51, O_CLOEXEC));
    SAY(fcntl(51, F_GETFD));
    SAY(fcntl(50, F_GETFD));
    SAY(fcntl(f, F_DUPFD, 70));
    SAY(fcntl(f, F_DUPFD_CLOEXEC, 70));
    SAY(close(70));
    SAY(close(70));
    SAY(close(-1));
    SAY(fcntl(99, F_GETFD));
    SAY(fcntl(f, 9999));
    SAY(syscall(SYS_close_range, 50, 80, 0));
    SAY(fcntl(51, F_GETFD));
    dup2(f, 55);
    SAY(syscall(SYS_close_range, 50, 80, 4));
    SAY(fcntl(55, F_GETFD));
    SAY(syscall(SYS_close_range, 80, 50, 0));
    SAY(lseek(f, 3, SEEK_SET));
    SAY(lseek(f, 2, SEEK_CUR));
    SAY(lseek(f, -1, SEEK_END));
    SAY(lseek(f, -100, SEEK_CUR));
    SAY(lseek(f, 0, 9));
    SAY(lseek(f, 100, SEEK_SET));
    SAY(read(f, buffer, 5));
    SAY(write(f, "x", 1));
    struct stat st;
    fstat(f, &st);
    printf("size %ld\n", (long)st.st_size);
    SAY(pread(f, buffer, 5, 8));
    printf("%d %d\n", buffer[1], buffer[2]);
    SAY(pread(f, buffer, 5, -1));
    SAY(pread(f, buffer, 5, 1000));
    int ends[2];
    pipe(ends);
    SAY(lseek(ends[0], 0, SEEK_SET));
    SAY(pread(ends[0], buffer, 1, 0));
    struct iovec v[3] = {{"ab", 2}, {0, 0}, {"cde", 3}};
    SAY(writev(ends[1], v, 3));
    char p[2], q[9];
    struct iovec w[2] = {{p, 2}, {q, 9}};
    SAY(readv(ends[0], w, 2));
    printf("%.2s %.3s\n", p, q);
    SAY(writev(f, v, -1));
    SAY(writev(f, v, 2000));
    SAY(preadv(f, w, 2, 0));
    SAY(pwritev(f, v, 3, 20));
    SAY(readv(f, (void *)1, 1));
    SAY(read(f, (void *)1, 10));
    lseek(f, 0, SEEK_SET);
    SAY(read(f, (void *)1, 10));
    SAY(write(f, (void *)1, 10));
    SAY(read(f, buffer, 0));
    char *edge = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(edge + 4096, 4096);
    memset(edge, 'e', 4096);
    lseek(f, 0, SEEK_SET);
    int g = make("g", "");
    SAY(write(g, edge + 4090, 100));
    SAY(pwrite(g, edge + 4090, 6, 0));
    int from = make("from", "copied text"), to = make("to", "");
    off_t at = 3;
    SAY(sendfile(to, from, &at, 4));
    printf("at %ld\n", (long)at);
    SAY(sendfile(to, from, 0, 100));
    show("to");
    lseek(from, 0, SEEK_SET);
    loff_t in = 0, out = 2;
    SAY(copy_file_range(from, &in, to, &out, 6, 0));
    show("to");
    SAY(splice(from, 0, ends[1], 0, 5, 0));
    SAY(read(ends[0], buffer, 10));
    SAY(tee(ends[0], ends[1], 5, 0));
    SAY(splice(from, 0, to, 0, 5, 0));
    SAY(posix_fadvise(f, 0, 0, POSIX_FADV_RANDOM));
    SAY(posix_fadvise(f, 0, 0, 99));
    SAY(fsync(f));
    SAY(fdatasync(ends[0]));
    SAY(fsync(99));
    SAY(ftruncate(f, -1));
    SAY(ftruncate(ends[0], 0));
    SAY(ftruncate(f, 5));
    SAY(truncate("a", 2));
    SAY(truncate("/", 2));
    SAY(truncate("none", 2));
    show("a");
    SAY(syncfs(f));
    SAY(isatty(f));
    SAY(ttyname_r(f, buffer, 99));
}

static void list(const char *name) {
    char *all[64];
    int n = 0;
    DIR *d = opendir(name);
    if (!d) {
        say("opendir", -1);
        return;
    }
    struct dirent *e;
    while ((e = readdir(d)) && n < 64) {
        char line[300];
        sprintf(line, "%s:%d", e->d_name, e->d_type);
        all[n++] = strdup(line);
    }
    closedir(d);
    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n; j++)
            if (strcmp(all[i], all[j]) > 0) {
                char *t = all[i];
                all[i] = all[j];
                all[j] = t;
            }
    printf("%s:", name);
    for (int i = 0; i < n; i++)
        printf(" %s", all[i]);
    puts("");
}
static void names(void) {
    struct stat st;
    SAY(mkdir("d", 0755));
    SAY(mkdir("d", 0755));
    SAY(mkdir("d/x/y", 0755));
    SAY(mkdir("d/", 0755));
    SAY(mkdir("e/", 0755));
    make("d/a", "1");
    SAY(link("d/a", "d/b"));
    SAY(link("d/a", "d/b"));
    SAY(link("d", "dd"));
    SAY(link("none", "x"));
    SAY(symlink("", "x"));
    SAY(symlink("a", "d/l"));
    SAY(symlink("a", "d/l"));
    SAY(link("d/l", "d/m"));
    SAY(lstat("d/m", &st));
    printf("%o %ld\n", st.st_mode & S_IFMT, (long)st.st_size);
    SAY(readlink("d/l", buffer, 1));
    SAY(readlink("d/a", buffer, 10));
    SAY(readlink("d/l", buffer, 0));
    SAY(mknod("d/n", S_IFIFO | 0600, 0));
    SAY(mknod("d/c", S_IFCHR | 0600, 0x103));
    SAY(mknod("d/s", S_IFSOCK | 0600, 0));
    SAY(mknod("d/z", S_IFDIR | 0600, 0));
    SAY(mknod("d/r", 0600, 0));
    list("d");
    list("none");
    stat("d", &st);
    printf("links of d %ld\n", (long)st.st_nlink);
    stat("d/a", &st);
    printf("links of a %ld\n", (long)st.st_nlink);
    SAY(unlink("d"));
    SAY(rmdir("d"));
    SAY(rmdir("d/a"));
    SAY(rmdir("none"));
    SAY(rmdir("."));
    SAY(rmdir("e/.."));
    SAY(rmdir("/"));
    SAY(unlink("d/a/"));
    SAY(unlink("d/l"));
    SAY(unlink("none"));
    SAY(unlinkat(AT_FDCWD, "e", AT_REMOVEDIR));
    SAY(unlinkat(AT_FDCWD, "d/r", 99));
    SAY(rename("d/a", "d/b"));
    list("d");
    SAY(rename("d/a", "d/new"));
    SAY(rename("none", "x"));
    SAY(rename("d", "d/sub"));
    SAY(mkdir("f", 0755));
    SAY(rename("d", "f"));
    list(".");
    SAY(mkdir("g", 0755));
    SAY(rename("g", "f"));
    SAY(rename("f/new", "g"));
    SAY(rename("g", "f/new"));
    SAY(rename("f/new", "f/b/"));
    SAY(renameat2(AT_FDCWD, "f/new", AT_FDCWD, "f/n", RENAME_NOREPLACE));
    SAY(renameat2(AT_FDCWD, "f/n", AT_FDCWD, "g", RENAME_EXCHANGE));
    list(".");
    SAY(renameat2(AT_FDCWD, "f", AT_FDCWD, "h", 99));
    SAY(rename("f", "."));
    SAY(rename("/proc/version", "x"));
    SAY(rename("f/..", "x"));
    SAY(chdir("f"));
    SAY(getcwd(buffer, sizeof buffer) != 0);
    puts(buffer);
    SAY(getcwd(buffer, 3) == 0 ? -1 : 0);
    SAY(chdir("none"));
    SAY(chdir("b"));
    int here = open(".", O_RDONLY);
    SAY(chdir("/"));
    SAY(fchdir(here));
    puts(getcwd(buffer, sizeof buffer));
    mkdir("gone", 0755);
    chdir("gone");
    rmdir("../gone");
    SAY(getcwd(buffer, sizeof buffer) ? 0 : -1);
    SAY(open("x", O_CREAT | O_WRONLY, 0600));
    list(".");
    SAY(chdir(".."));
    SAY(fchdir(99));
    int file = open("b", O_RDONLY);
    SAY(fchdir(file));
    SAY(chroot("none"));
    chdir("/tmp");
    int f = make("open", "still");
    unlink("open");
    SAY(read(f, buffer, 5));
    SAY(fstat(f, &st));
    printf("links %ld\n", (long)st.st_nlink);
    sprintf(buffer, "/proc/self/fd/%d", f);
    char target[99] = "";
    SAY(readlink(buffer, target, 98));
    puts(target);
    f = open(buffer, O_RDWR);
    SAY(f > 2);
    SAY(write(f, "again", 5));
    for (int i = 0; i < 500; i++) {
        sprintf(buffer, "many-%d-%0*d", i, i % 200, 1);
        close(open(buffer, O_CREAT | O_WRONLY, 0600));
    }
    DIR *d = opendir(".");
    int n = 0;
    struct dirent *e;
    long middle = 0;
    while ((e = readdir(d))) {
        n += !strncmp(e->d_name, "many-", 5);
        if (n == 250 && !middle) middle = telldir(d);
    }
    printf("entries %d\n", n);
    seekdir(d, middle);
    n = 0;
    while ((e = readdir(d)))
        n += !strncmp(e->d_name, "many-", 5);
    printf("after the middle %d\n", n);
    rewinddir(d);
    n = 0;
    while ((e = readdir(d)))
        if (!strncmp(e->d_name, "many-", 5)) n += unlink(e->d_name) == 0;
    printf("removed while reading %d\n", n);
    SAY(syscall(SYS_getdents64, here, buffer, 10));
    SAY(syscall(SYS_getdents64, file, buffer, 1000));
}

static void say_stat(const char *name) {
    struct stat st;
    if (lstat(name, &st)) {
        say(name, -1);
        return;
    }
    printf("%s %o %d:%d %ld x%ld %lx\n", name, st.st_mode, st.st_uid, st.st_gid,
           S_ISDIR(st.st_mode) ? 0 : (long)st.st_size, S_ISDIR(st.st_mode) ? 0 : (long)st.st_nlink, (long)st.st_rdev);
}
static void attributes(void) {
    int f = make("a", "text");
    symlink("a", "l");
    SAY(chmod("a", 06755));
    say_stat("a");
    SAY(chown("a", 5, 6));
    say_stat("a");
    SAY(chmod("a", 02644));
    SAY(chown("a", -1, 7));
    say_stat("a");
    SAY(lchown("l", 8, 9));
    say_stat("l");
    SAY(fchown(f, 0, 0));
    SAY(fchmod(f, 0600));
    SAY(fchmodat(AT_FDCWD, "l", 0640, 0));
    say_stat("a");
    SAY(fchmodat(AT_FDCWD, "l", 0640, AT_SYMLINK_NOFOLLOW));
    SAY(chmod("none", 0));
    SAY(chmod("a", 0177777));
    say_stat("a");
    chmod("a", 0644);
    chmod("a", 04755);
    SAY(write(f, "x", 1));
    say_stat("a");
    pid_t c;
    IN_CHILD (c) {
        setuid(5);
        SAY(chmod("a", 0));
        SAY(chown("a", 5, 5));
        SAY(truncate("a", 0));
        int g = open("own", O_CREAT | O_RDWR, 04777);
        fchmod(g, 04755);
        write(g, "y", 1);
        say_stat("own");
        SAY(chown("own", 6, -1));
        SAY(chown("own", -1, 99));
        SAY(chmod("own", 02755));
        say_stat("own");
    }
    chmod("/tmp", 01777);
    wait_for(c);
    struct timespec t[2] = {{100, 5}, {200, 6}};
    struct stat st;
    SAY(utimensat(AT_FDCWD, "a", t, 0));
    stat("a", &st);
    printf("%ld.%ld %ld.%ld\n", (long)st.st_atim.tv_sec, st.st_atim.tv_nsec, (long)st.st_mtim.tv_sec,
           st.st_mtim.tv_nsec);
    t[0].tv_nsec = UTIME_OMIT;
    t[1] = (struct timespec){-5, 7};
    SAY(utimensat(AT_FDCWD, "a", t, 0));
    stat("a", &st);
    printf("%ld %ld.%ld\n", (long)st.st_atim.tv_sec, (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    t[1].tv_nsec = UTIME_NOW;
    SAY(futimens(f, t));
    stat("a", &st);
    printf("now %d\n", labs((long)(time(0) - st.st_mtim.tv_sec)) < 3);
    t[1].tv_nsec = 1000000000;
    SAY(futimens(f, t));
    SAY(utimensat(AT_FDCWD, "none", 0, 0));
    SAY(utimensat(AT_FDCWD, "l", (struct timespec[]){{1, 0}, {2, 0}}, AT_SYMLINK_NOFOLLOW));
    lstat("l", &st);
    printf("%ld\n", (long)st.st_mtim.tv_sec);
    IN_CHILD (c) {
        setuid(5);
        SAY(utimensat(AT_FDCWD, "a", 0, 0));
        SAY(utimensat(AT_FDCWD, "a", (struct timespec[]){{1, 0}, {2, 0}}, 0));
        SAY(access("a", W_OK));
        SAY(eaccess("a", R_OK));
    }
    wait_for(c);
    struct statx sx;
    SAY(statx(AT_FDCWD, "a", 0, STATX_BASIC_STATS, &sx));
    printf("%o %lld %d\n", sx.stx_mode, (long long)sx.stx_size,
           (sx.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
    SAY(statx(f, "", AT_EMPTY_PATH, STATX_SIZE, &sx));
    SAY(statx(f, "", 0, STATX_SIZE, &sx));
    SAY(statx(AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW, STATX_ALL, &sx));
    printf("%o\n", sx.stx_mode);
    SAY(statx(AT_FDCWD, "a", 0x10, 0, &sx));
    SAY(statx(AT_FDCWD, "a", 0, 0x80000000, &sx));
    struct statfs sf;
    SAY(statfs("/proc", &sf));
    printf("%lx\n", (long)sf.f_type);
    SAY(statfs("none", &sf));
    SAY(fstatfs(f, &sf));
    printf("%ld\n", (long)sf.f_namelen);
    say_stat("/dev/null");
    say_stat("/dev/tty");
    SAY(fstatat(f, "", &st, AT_EMPTY_PATH));
    SAY(stat("a/b", &st));
    SAY(stat("", &st));
    SAY(setxattr("a", "user.one", "value", 5, 0));
    SAY(setxattr("a", "user.one", "other", 5, XATTR_CREATE));
    SAY(setxattr("a", "user.two", "x", 1, XATTR_REPLACE));
    SAY(fsetxattr(f, "user.two", "", 0, 0));
    SAY(getxattr("a", "user.one", buffer, 100));
    SAY(getxattr("a", "user.one", buffer, 2));
    SAY(getxattr("a", "user.one", 0, 0));
    SAY(getxattr("a", "user.none", buffer, 100));
    SAY(getxattr("a", "nonsense", buffer, 100));
    SAY(listxattr("a", buffer, 100));
    SAY(removexattr("a", "user.one"));
    SAY(removexattr("a", "user.one"));
    SAY(listxattr("a", buffer, 100));
    SAY(lsetxattr("l", "user.x", "y", 1, 0));
    SAY(setxattr("a", "trusted.t", "z", 1, 0));
    SAY(setxattr("a", "user.", "z", 1, 0));
    IN_CHILD (c) {
        setuid(5);
        SAY(getxattr("a", "trusted.t", buffer, 9));
        SAY(setxattr("a", "user.q", "z", 1, 0));
    }
    wait_for(c);
}

// Says what came of it, but where `what` is null: a waiter's line may come before it.
static void lock(int f, int how, int type, off_t start, off_t len, const char *what) {
    struct flock l = {.l_type = type, .l_start = start, .l_len = len};
    errno = 0;
    int r = fcntl(f, how, &l);
    if (how == F_GETLK && !r)
        printf("%s: type %d start %ld len %ld pid %d\n", what, l.l_type, (long)l.l_start, (long)l.l_len,
               l.l_pid == getppid());
    else if (what)
        say(what, r);
}
static void locks(void) {
    int f = make("a", "0123456789"), g = open("a", O_RDWR);
    lock(f, F_SETLK, F_WRLCK, 2, 3, "write 2-4");
    lock(g, F_SETLK, F_WRLCK, 3, 1, "own process again");
    pid_t c;
    IN_CHILD (c) {
        lock(f, F_SETLK, F_RDLCK, 4, 1, "child read 4");
        lock(f, F_SETLK, F_WRLCK, 5, 0, "child write 5-");
        lock(f, F_GETLK, F_WRLCK, 0, 0, "get");
        lock(f, F_SETLK, F_WRLCK, 0, 2, "child write 0-1");
    }
    wait_for(c);
    lock(f, F_SETLK, F_RDLCK, 0, 10, "read 0-9");
    IN_CHILD (c) {
        lock(f, F_SETLK, F_RDLCK, 0, 5, "child read");
        lock(f, F_SETLK, F_WRLCK, 0, 5, "child write");
    }
    wait_for(c);
    lock(f, F_SETLK, F_UNLCK, 3, 2, "unlock 3-4");
    IN_CHILD (c) {
        lock(f, F_SETLK, F_WRLCK, 3, 2, "child write 3-4");
        lock(f, F_SETLK, F_WRLCK, 2, 2, "child write 2-3");
    }
    wait_for(c);
    close(g);
    IN_CHILD (c) {
        lock(f, F_SETLK, F_WRLCK, 0, 0, "after the close of another descriptor");
    }
    wait_for(c);
    lock(f, F_SETLK, F_WRLCK, 0, 0, "all");
    IN_CHILD (c) {
        lock(f, F_SETLKW, F_WRLCK, 0, 0, "waited for");
    }
    until_asleep(c);
    lock(f, F_SETLK, F_UNLCK, 0, 0, 0);
    wait_for(c);
    lock(f, F_SETLK, F_WRLCK, 0, 1, "one");
    int ready[2];
    pipe(ready);
    IN_CHILD (c) {
        lock(f, F_SETLK, F_WRLCK, 1, 1, "two");
        write(ready[1], "x", 1);
        lock(f, F_SETLKW, F_WRLCK, 0, 1, "for one");
    }
    read(ready[0], buffer, 1);
    until_asleep(c);
    lock(f, F_SETLKW, F_WRLCK, 1, 1, "deadlock");
    lock(f, F_SETLK, F_UNLCK, 0, 0, 0);
    wait_for(c);
    int r = open("a", O_RDONLY);
    lock(r, F_SETLK, F_WRLCK, 0, 1, "write lock on a reader");
    lock(f, F_SETLK, 77, 0, 1, "bad type");
    lock(f, F_SETLK, F_RDLCK, -5, 1, "bad start");
    int h = open("a", O_RDWR);
    SAY(flock(f, LOCK_EX));
    SAY(flock(h, LOCK_EX | LOCK_NB));
    SAY(flock(f, LOCK_SH));
    SAY(flock(h, LOCK_SH | LOCK_NB));
    SAY(flock(h, LOCK_EX | LOCK_NB));
    SAY(flock(f, LOCK_UN));
    SAY(flock(h, LOCK_EX | LOCK_NB));
    SAY(flock(h, 16));
    IN_CHILD (c) {
        SAY(flock(h, LOCK_UN));
    }
    wait_for(c);
    SAY(flock(f, LOCK_EX | LOCK_NB));
    int i = dup(f);
    close(f);
    SAY(flock(h, LOCK_EX | LOCK_NB));
    close(i);
    SAY(flock(h, LOCK_EX | LOCK_NB));
    lock(h, F_OFD_SETLK, F_WRLCK, 0, 5, "ofd");
    f = open("a", O_RDWR);
    lock(f, F_OFD_SETLK, F_WRLCK, 2, 1, "ofd other");
    lock(f, F_OFD_SETLK, F_WRLCK, 5, 1, "ofd beside");
}

static void pipes(void) {
    int p[2];
    SAY(pipe(p));
    SAY(fcntl(p[1], F_GETPIPE_SZ));
    SAY(fcntl(p[1], F_SETPIPE_SZ, 5000));
    fcntl(p[1], F_SETFL, O_NONBLOCK);
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    SAY(read(p[0], buffer, 10));
    SAY(write(p[1], buffer, 8192));
    SAY(write(p[1], buffer, 1));
    SAY(read(p[0], buffer, 4000));
    SAY(write(p[1], buffer, 4096));
    SAY(read(p[0], buffer, 200));
    SAY(write(p[1], buffer, 4096));
    SAY(write(p[1], buffer, 100));
    signal(SIGPIPE, SIG_IGN);
    close(p[0]);
    SAY(write(p[1], "x", 1));
    pid_t c;
    IN_CHILD (c) {
        signal(SIGPIPE, SIG_DFL);
        write(p[1], "x", 1);
    }
    say_status("broken", wait_for(c));
    SAY(write(p[1], "", 0));
    SAY(read(p[1], buffer, 1));
    pipe(p);
    SAY(write(p[0], "x", 1));
    struct stat st;
    fstat(p[0], &st);
    printf("%o %ld\n", st.st_mode, (long)st.st_size);
    write(p[1], "abc", 3);
    struct pollfd q[2] = {{p[0], POLLIN, 0}, {p[1], POLLOUT, 0}};
    SAY(poll(q, 2, 0));
    printf("%x %x\n", q[0].revents, q[1].revents);
    close(p[1]);
    SAY(poll(q, 1, 0));
    printf("%x\n", q[0].revents);
    SAY(read(p[0], buffer, 10));
    SAY(read(p[0], buffer, 10));
    SAY(poll(q, 1, 0));
    printf("%x\n", q[0].revents);
    pipe(p);
    close(p[0]);
    q[1].fd = p[1];
    SAY(poll(q + 1, 1, 0));
    printf("%x\n", q[1].revents);
    SAY(pipe2(p, O_NONBLOCK | O_CLOEXEC));
    SAY(fcntl(p[0], F_GETFD));
    SAY(fcntl(p[0], F_GETFL) & O_NONBLOCK);
    SAY(pipe2(p, 0x77));
    SAY(pipe((void *)1));
    // Writes of up to PIPE_BUF bytes stay whole, however many write.
    pipe(p);
    for (int i = 0; i < 8; i++)
        IN_CHILD (c) {
            char block[1000];
            memset(block, 'a' + i, sizeof block);
            for (int k = 0; k < 50; k++)
                write(p[1], block, sizeof block);
        }
    close(p[1]);
    int torn = 0;
    long total = 0;
    char block[1000];
    for (;;) {
        long got = 0, n;
        while (got < 1000 && (n = read(p[0], block + got, 1000 - got)) > 0)
            got += n;
        if (!got) break;
        total += got;
        for (int i = 1; i < got; i++)
            torn += block[i] != block[0];
    }
    while (wait(0) > 0) {
    }
    printf("total %ld torn %d\n", total, torn);
    // A large write goes on as it is read.
    pipe(p);
    IN_CHILD (c) {
        close(p[0]);
        char *big = malloc(1 << 20);
        memset(big, 'b', 1 << 20);
        SAY(write(p[1], big, 1 << 20));
    }
    close(p[1]);
    total = 0;
    long n;
    while ((n = read(p[0], buffer, 5000)) > 0)
        total += n;
    wait_for(c);
    printf("%ld\n", total);
    mkfifo("fifo", 0600);
    IN_CHILD (c) {
        int w = open("fifo", O_WRONLY);
        write(w, "through", 7);
    }
    int r = open("fifo", O_RDONLY);
    SAY(read(r, buffer, 10));
    wait_for(c);
    SAY(read(r, buffer, 10));
    SAY(open("fifo", O_WRONLY | O_NONBLOCK) > 2);
    close(r);
    r = open("fifo", O_RDWR);
    SAY(write(r, "self", 4));
    SAY(read(r, buffer, 10));
    r = open("fifo", O_RDONLY | O_NONBLOCK);
    SAY(r > 2);
}
static void fill(int pipe, int pages) {
    for (int i = 0; i < pages; i++) {
        memset(buffer, 'a' + i, 4096);
        write(pipe, buffer, 4096);
    }
}

// splice, tee and vmsplice; and the other calls that move many buffers or whole ranges.
static void moves(void) {
    int p[2], q[2], file = make("from", "0123456789"), to = make("to", "");
    pipe2(p, O_NONBLOCK);
    pipe2(q, O_NONBLOCK);
    off64_t at = 2;
    SAY(splice(file, &at, p[1], 0, 5, 0));
    printf("at %ld\n", (long)at);
    SAY(lseek(file, 0, SEEK_CUR));
    SAY(splice(file, 0, p[1], 0, 3, 0));
    SAY(lseek(file, 0, SEEK_CUR));
    SAY(tee(p[0], q[1], 6, 0));
    SAY(tee(p[0], p[1], 6, 0));
    SAY(tee(file, p[1], 6, 0));
    SAY(tee(p[0], q[1], 6, 99));
    SAY(read(q[0], buffer, 100));
    printf("%.6s\n", buffer);
    SAY(tee(q[0], p[1], 10, 0));
    SAY(splice(p[0], 0, to, 0, 4, 0));
    at = 10;
    SAY(splice(p[0], 0, to, &at, 100, 0));
    SAY(lseek(to, 0, SEEK_CUR));
    SAY(splice(p[0], 0, to, 0, 100, 0));
    SAY(splice(p[0], &at, to, 0, 100, 0));
    SAY(splice(file, 0, to, 0, 100, 0));
    SAY(splice(p[0], 0, p[1], 0, 100, 0));
    SAY(splice(p[1], 0, to, 0, 100, 0));
    SAY(splice(file, 0, p[1], 0, 100, 99));
    SAY(splice(file, 0, p[1], 0, 0, 0));
    SAY(lseek(file, 0, SEEK_END));
    SAY(splice(file, 0, p[1], 0, 100, 0));
    int append = open("to", O_WRONLY | O_APPEND);
    write(p[1], "x", 1);
    SAY(splice(p[0], 0, append, 0, 1, 0));
    SAY(read(p[0], buffer, 10));
    // A small write joins the last page, but not one that was spliced.
    SAY(fcntl(p[1], F_SETPIPE_SZ, 8192));
    lseek(file, 0, SEEK_SET);
    SAY(splice(file, 0, p[1], 0, 1, 0));
    SAY(write(p[1], "y", 1));
    SAY(write(p[1], "z", 1));
    SAY(splice(file, 0, p[1], 0, 1, 0));
    SAY(read(p[0], buffer, 10));
    // From pipe to pipe, as much as there is room for.
    fill(p[1], 2);
    SAY(fcntl(q[1], F_SETPIPE_SZ, 4096));
    SAY(splice(p[0], 0, q[1], 0, 8192, 0));
    SAY(splice(p[0], 0, q[1], 0, 8192, 0));
    SAY(read(q[0], buffer, 8192));
    SAY(splice(p[0], 0, q[1], 0, 100, 0));
    SAY(read(q[0], buffer, 8192));
    while (read(p[0], buffer, sizeof buffer) > 0) {
    }
    struct iovec v[3] = {{"one", 3}, {"", 0}, {"three", 5}};
    SAY(vmsplice(p[1], v, 3, SPLICE_F_NONBLOCK));
    SAY(vmsplice(p[1], v, 3, SPLICE_F_NONBLOCK));
    SAY(read(p[0], buffer, 100));
    printf("%.8s\n", buffer);
    SAY(vmsplice(file, v, 1, 0));
    SAY(vmsplice(p[1], v, 1, 99));
    // Nobody reads any more.
    signal(SIGPIPE, SIG_IGN);
    close(p[0]);
    SAY(splice(file, 0, p[1], 0, 1, 0));
    SAY(vmsplice(p[1], v, 1, 0));
    SAY(tee(q[0], p[1], 1, 0));
    // One waits for the other.
    pipe(p);
    pid_t child;
    IN_CHILD (child) {
        close(p[1]);
        SAY(splice(p[0], 0, to, 0, 100, 0));
        SAY(splice(p[0], 0, to, 0, 100, 0));
    }
    until_asleep(child);
    write(p[1], "woken", 5);
    until_asleep(child);
    close(p[1]);
    wait_for(child);
    // A socket on either side.
    int s[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    pipe2(p, O_NONBLOCK);
    write(s[0], "stream", 6);
    SAY(splice(s[1], 0, p[1], 0, 100, 0));
    SAY(splice(p[0], 0, s[1], 0, 100, 0));
    SAY(read(s[0], buffer, 100));
    SAY(sendfile(s[0], file, &(off_t){4}, 100));
    SAY(read(s[1], buffer, 100));
    SAY(sendfile(file, s[0], 0, 100));
    SAY(sendfile(append, file, 0, 1));
    // Vectors at a place.
    v[1] = (struct iovec){"-two-", 5};
    SAY(pwritev(to, v, 3, 3));
    SAY(pwritev(to, v, 3, -1));
    SAY(pwritev2(to, v, 1, -1, 0));
    SAY(pwritev2(to, v, 1, 0, 0x40000000));
    show("to");
    char a[4] = "", b[4] = "";
    struct iovec w[2] = {{a, 3}, {b, 3}};
    SAY(preadv(to, w, 2, 3));
    printf("%s %s\n", a, b);
    SAY(preadv(to, w, 2, 1000));
    SAY(preadv2(to, w, 2, 0, RWF_NOWAIT) >= -1);
    SAY(copy_file_range(file, 0, file, &(off64_t){20}, 5, 0));
    SAY(copy_file_range(file, &(off64_t){0}, file, &(off64_t){2}, 5, 0));
    SAY(copy_file_range(file, 0, append, 0, 5, 0));
    SAY(copy_file_range(file, 0, p[1], 0, 5, 0));
    SAY(copy_file_range(file, 0, to, 0, 5, 1));
}

static void description_locks(void) {
    int f = make("locked", "0123456789"), g = open("locked", O_RDWR), h = dup(f);
    struct flock l = {.l_type = F_WRLCK, .l_start = 2, .l_len = 3};
    SAY(fcntl(f, F_OFD_SETLK, &l));
    SAY(fcntl(h, F_OFD_SETLK, &l));
    SAY(fcntl(g, F_OFD_SETLK, &l));
    struct flock seen = {.l_type = F_RDLCK, .l_len = 10};
    SAY(fcntl(g, F_OFD_GETLK, &seen));
    printf("%d %ld %ld %d\n", seen.l_type, (long)seen.l_start, (long)seen.l_len, seen.l_pid);
    seen = (struct flock){.l_type = F_RDLCK, .l_len = 10};
    SAY(fcntl(f, F_OFD_GETLK, &seen));
    printf("%d\n", seen.l_type == F_UNLCK);
    seen = (struct flock){.l_type = F_RDLCK, .l_len = 10};
    SAY(fcntl(f, F_GETLK, &seen));
    printf("%d %d\n", seen.l_type, seen.l_pid);
    l.l_pid = 5;
    SAY(fcntl(f, F_OFD_SETLK, &l));
    l.l_pid = 0;
    // Inherited, for it is the description's.
    pid_t child;
    IN_CHILD (child) {
        SAY(fcntl(f, F_OFD_SETLK, &l));
        SAY(fcntl(g, F_OFD_SETLK, &l));
    }
    wait_for(child);
    close(f);
    SAY(fcntl(g, F_OFD_SETLK, &l));
    IN_CHILD (child) {
        close(h);
        SAY(fcntl(g, F_OFD_SETLKW, &l));
    }
    until_asleep(child);
    close(h);
    wait_for(child);
    // Splitting and joining.
    l = (struct flock){.l_type = F_WRLCK, .l_start = 0, .l_len = 10};
    SAY(fcntl(g, F_SETLK, &l));
    l = (struct flock){.l_type = F_UNLCK, .l_start = 4, .l_len = 2};
    SAY(fcntl(g, F_OFD_SETLK, &l));
    SAY(fcntl(g, F_SETLK, &l));
    static const struct {
        short whence;
        int start, length;
    } ranges[] = {{SEEK_SET, 0, 10}, {SEEK_SET, 4, 0}, {SEEK_SET, 5, 3}, {SEEK_END, -3, 3}, {SEEK_END, -3, -2}};
    for (unsigned i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        IN_CHILD (child) {
            seen = (struct flock){.l_type = F_WRLCK, .l_whence = ranges[i].whence};
            seen.l_start = ranges[i].start;
            seen.l_len = ranges[i].length;
            SAY(fcntl(g, F_GETLK, &seen));
            printf("%d %d %ld %ld %d\n", seen.l_type, seen.l_whence, (long)seen.l_start, (long)seen.l_len,
                   seen.l_pid == getppid());
        }
        wait_for(child);
    }
    l = (struct flock){.l_type = F_UNLCK, .l_start = 0, .l_len = 0};
    SAY(fcntl(g, F_GETLK, &l));
    l = (struct flock){.l_type = F_WRLCK, .l_start = -1, .l_len = 0};
    SAY(fcntl(g, F_SETLK, &l));
    l = (struct flock){.l_type = F_WRLCK, .l_start = 0, .l_len = -1};
    SAY(fcntl(g, F_SETLK, &l));
    l = (struct flock){.l_type = F_WRLCK, .l_whence = 9};
    SAY(fcntl(g, F_SETLK, &l));
}

MAIN(TEST(opens), TEST(descriptors), TEST(names), TEST(attributes), TEST(locks), TEST(pipes), TEST(moves),
     TEST(description_locks))
