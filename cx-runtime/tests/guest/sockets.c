// Sockets: AF_UNIX of every type, passed descriptors and credentials, loopback TCP and UDP.
//
// No case for MSG_OOB on AF_UNIX streams, which the engine does not have.
#include "cases.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/ioctl.h>

static char buffer[1 << 17];

static void no_wait(int fd) {
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

static void pairs(void) {
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    static const char *const names[] = {"stream", "datagram", "packets"};
    for (int i = 0; i < 3; i++) {
        int s[2], value;
        socklen_t size = sizeof value;
        puts(names[i]);
        SAY(socketpair(AF_UNIX, types[i] | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s));
        SAY(fcntl(s[0], F_GETFD));
        SAY(fcntl(s[0], F_GETFL) & O_NONBLOCK);
        SAY(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &value, &size));
        printf("type %d\n", value);
        getsockopt(s[0], SOL_SOCKET, SO_DOMAIN, &value, &size);
        printf("domain %d\n", value);
        SAY(read(s[0], buffer, 10));
        SAY(send(s[1], "hello", 5, 0));
        SAY(send(s[1], "world", 5, 0));
        SAY(recv(s[0], buffer, 3, MSG_PEEK));
        SAY(recv(s[0], buffer, 3, 0));
        SAY(recv(s[0], buffer, 100, 0));
        SAY(recv(s[0], buffer, 100, MSG_DONTWAIT));
        SAY(send(s[1], "", 0, 0));
        SAY(recv(s[0], buffer, 100, 0));
        SAY(send(s[1], "truncated", 9, 0));
        SAY(recv(s[0], buffer, 4, MSG_TRUNC));
        SAY(recv(s[0], buffer, 4, 0));
        SAY(write(s[1], "left", 4));
        SAY(ioctl(s[0], FIONREAD, &value));
        printf("readable %d\n", value);
        SAY(shutdown(s[1], SHUT_WR));
        SAY(recv(s[0], buffer, 100, 0));
        SAY(recv(s[0], buffer, 100, 0));
        signal(SIGPIPE, SIG_IGN);
        SAY(send(s[1], "x", 1, 0));
        SAY(send(s[0], "back", 4, 0));
        SAY(recv(s[1], buffer, 10, 0));
        SAY(shutdown(s[0], SHUT_RD));
        SAY(shutdown(s[0], 9));
        SAY(close(s[1]));
        SAY(send(s[0], "x", 1, MSG_NOSIGNAL));
        SAY(recv(s[0], buffer, 10, 0));
        pid_t child;
        IN_CHILD (child) {
            signal(SIGPIPE, SIG_DFL);
            send(s[0], "x", 1, 0);
        }
        say_status("sent to nobody", wait_for(child));
    }
    int s[2];
    SAY(socketpair(AF_UNIX, 99, 0, s));
    SAY(socketpair(AF_INET, SOCK_STREAM, 0, s));
    SAY(socket(99, SOCK_STREAM, 0));
    SAY(socket(AF_UNIX, SOCK_STREAM, 77));
    SAY(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
    SAY(send(1, "x", 1, 0));
    SAY(send(99, "x", 1, 0));
}

static socklen_t name_of(struct sockaddr_un *address, const char *name, int abstract) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    strcpy(address->sun_path + abstract, name);
    return offsetof(struct sockaddr_un, sun_path) + abstract + strlen(name) + !abstract;
}

static void say_name(const char *what, int fd, int (*get)(int, struct sockaddr *, socklen_t *)) {
    struct sockaddr_un a;
    memset(&a, 0, sizeof a);
    socklen_t size = sizeof a;
    errno = 0;
    int result = get(fd, (void *)&a, &size);
    if (result)
        say(what, result);
    else
        printf("%s: %d bytes family %d \"%s%s\"\n", what, (int)size, a.sun_family, a.sun_path[0] ? "" : "@",
               a.sun_path[0] ? a.sun_path
               : size > 3    ? a.sun_path + 1
                             : "");
}

static void unix_names(void) {
    struct sockaddr_un a;
    for (int abstract = 0; abstract < 2; abstract++) {
        socklen_t size = name_of(&a, "listener", abstract);
        int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
        SAY(connect(c, (void *)&a, size));
        SAY(listen(l, 5));
        SAY(bind(l, (void *)&a, size));
        SAY(bind(l, (void *)&a, size));
        int m = socket(AF_UNIX, SOCK_STREAM, 0);
        SAY(bind(m, (void *)&a, size));
        SAY(connect(c, (void *)&a, size));
        SAY(accept(l, 0, 0));
        SAY(listen(l, 1));
        say_name("listener", l, getsockname);
        say_name("no peer", l, getpeername);
        SAY(connect(c, (void *)&a, size));
        SAY(connect(c, (void *)&a, size));
        say_name("client", c, getsockname);
        say_name("client's peer", c, getpeername);
        SAY(write(c, "early", 5));
        int s = accept4(l, 0, 0, SOCK_CLOEXEC);
        SAY(fcntl(s, F_GETFD));
        say_name("accepted", s, getsockname);
        say_name("accepted's peer", s, getpeername);
        SAY(read(s, buffer, 10));
        no_wait(l);
        SAY(accept(l, 0, 0));
        SAY(accept(s, 0, 0));
        SAY(accept4(l, 0, 0, 77));
        int value = 7;
        socklen_t length = sizeof value;
        SAY(getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &value, &length));
        printf("listens %d\n", value);
        struct ucred peer;
        length = sizeof peer;
        SAY(getsockopt(s, SOL_SOCKET, SO_PEERCRED, &peer, &length));
        printf("peer is us %d uid %d\n", peer.pid == getpid(), peer.uid);
        // More than the backlog wait.
        int many[4];
        for (int i = 0; i < 4; i++) {
            many[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
            SAY(connect(many[i], (void *)&a, size));
        }
        SAY(close(l));
        SAY(read(many[0], buffer, 1));
        SAY(connect(many[3], (void *)&a, size));
        struct stat st;
        SAY(stat("listener", &st));
        if (!abstract) printf("mode %o\n", st.st_mode & S_IFMT);
        SAY(open("listener", O_RDWR));
        unlink("listener");
        close(c);
        SAY(read(s, buffer, 1));
    }
    int b = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un only = {AF_UNIX};
    SAY(bind(b, (void *)&only, sizeof(sa_family_t)));
    struct sockaddr_un got;
    socklen_t length = sizeof got;
    getsockname(b, (void *)&got, &length);
    printf("a name was made up: %d\n", length == offsetof(struct sockaddr_un, sun_path) + 6);
    SAY(bind(socket(AF_UNIX, SOCK_DGRAM, 0), (void *)&only, 1));
    SAY(bind(socket(AF_UNIX, SOCK_DGRAM, 0), (void *)&only, 200));
    name_of(&a, "no/such/directory", 0);
    SAY(bind(socket(AF_UNIX, SOCK_DGRAM, 0), (void *)&a, sizeof a));
    a.sun_family = AF_INET;
    SAY(connect(b, (void *)&a, sizeof a));
}

static void datagrams(void) {
    struct sockaddr_un a, from;
    int l = socket(AF_UNIX, SOCK_DGRAM, 0), c = socket(AF_UNIX, SOCK_DGRAM, 0);
    socklen_t size = name_of(&a, "dgram", 1), length = sizeof from;
    bind(l, (void *)&a, size);
    SAY(sendto(c, "to a name", 9, 0, (void *)&a, size));
    SAY(recvfrom(l, buffer, 100, 0, (void *)&from, &length));
    printf("from nobody: %d bytes\n", (int)length);
    struct sockaddr_un own;
    socklen_t own_size = name_of(&own, "own", 1);
    bind(c, (void *)&own, own_size);
    SAY(connect(c, (void *)&a, size));
    SAY(send(c, "connected", 9, 0));
    length = sizeof from;
    SAY(recvfrom(l, buffer, 100, 0, (void *)&from, &length));
    printf("from %s\n", from.sun_path + 1);
    SAY(sendto(l, "answer", 6, 0, (void *)&from, length));
    SAY(read(c, buffer, 100));
    SAY(send(l, "x", 1, 0));
    SAY(sendto(l, "x", 1, 0, (void *)&a, offsetof(struct sockaddr_un, sun_path) + 3));
    // A connected receiver takes only what its peer sends.
    int other = socket(AF_UNIX, SOCK_DGRAM, 0);
    SAY(sendto(other, "x", 1, MSG_DONTWAIT, (void *)&own, own_size));
    no_wait(c);
    int sent = 0;
    while (send(c, "flood", 5, 0) == 5)
        sent++;
    say("full", -1);
    printf("some %d\n", sent > 0);
    SAY(recv(l, buffer, 100, 0));
    SAY(send(c, "one more", 8, 0));
    struct sockaddr none = {AF_UNSPEC};
    SAY(connect(c, &none, sizeof none));
    SAY(send(c, "x", 1, 0));
    close(l);
    SAY(sendto(c, "x", 1, 0, (void *)&a, size));
    // Several messages in one call.
    int s[2];
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s);
    struct iovec v[3] = {{"one", 3}, {"three", 5}, {"four!!", 6}};
    struct mmsghdr m[3];
    memset(m, 0, sizeof m);
    for (int i = 0; i < 3; i++) {
        m[i].msg_hdr.msg_iov = &v[i];
        m[i].msg_hdr.msg_iovlen = 1;
    }
    SAY(sendmmsg(s[0], m, 3, 0));
    char in[3][8];
    for (int i = 0; i < 3; i++)
        v[i] = (struct iovec){in[i], 4};
    SAY(recvmmsg(s[1], m, 3, MSG_DONTWAIT, 0));
    for (int i = 0; i < 3; i++)
        printf("%u bytes flags %x\n", m[i].msg_len, m[i].msg_hdr.msg_flags);
    SAY(recvmmsg(s[1], m, 3, MSG_DONTWAIT, 0));
    SAY(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int)));
    no_wait(s[0]);
    SAY(send(s[0], buffer, sizeof buffer, 0));
}

// Sends a byte and descriptors.
static long send_fds(int fd, const int *fds, int count) {
    char control[256] = {0};
    struct iovec v = {"f", 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control};
    m.msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    return sendmsg(fd, &m, 0);
}

// Receives them; gives the number, and tells of the rest.
static int receive_fds(int fd, int *fds, int room, int flags) {
    char control[256] = {0};
    struct iovec v = {buffer, 10};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control};
    m.msg_controllen = room ? CMSG_SPACE(room * sizeof(int)) : 0;
    errno = 0;
    long size = recvmsg(fd, &m, flags);
    say("received", size);
    printf("flags %x\n", m.msg_flags & ~MSG_CMSG_CLOEXEC);
    int count = 0;
    for (struct cmsghdr *c = size < 0 ? 0 : CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        printf("level %d type %d\n", c->cmsg_level, c->cmsg_type);
        if (c->cmsg_type == SCM_RIGHTS) {
            count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(fds, CMSG_DATA(c), count * sizeof(int));
        }
        if (c->cmsg_type == SCM_CREDENTIALS) {
            struct ucred who;
            memcpy(&who, CMSG_DATA(c), sizeof who);
            printf("from us %d uid %d gid %d\n", who.pid == getpid(), who.uid, who.gid);
        }
    }
    return count;
}

static void rights(void) {
    int s[2], p[2], got[8];
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    pipe(p);
    SAY(send_fds(s[0], p, 2));
    SAY(receive_fds(s[1], got, 2, MSG_CMSG_CLOEXEC));
    SAY(fcntl(got[0], F_GETFD));
    close(p[0]);
    close(p[1]);
    SAY(write(got[1], "through", 7));
    SAY(read(got[0], buffer, 10));
    // Positions are shared: it is one description.
    int f = open("/etc/passwd", O_RDONLY);
    SAY(send_fds(s[0], &f, 1));
    SAY(receive_fds(s[1], got, 1, 0));
    lseek(f, 7, SEEK_SET);
    SAY(lseek(got[0], 0, SEEK_CUR));
    // Less room than descriptors, or none: the rest is closed.
    pipe(p);
    int three[3] = {p[1], p[1], p[1]};
    SAY(send_fds(s[0], three, 3));
    close(p[1]);
    SAY(receive_fds(s[1], got, 0, 0));
    SAY(read(p[0], buffer, 1));
    SAY(send_fds(s[0], (int[]){99}, 1));
    // Data of another message is not read along with the descriptors.
    SAY(write(s[0], "a", 1));
    SAY(send_fds(s[0], &f, 1));
    SAY(write(s[0], "b", 1));
    SAY(receive_fds(s[1], got, 1, 0));
    SAY(receive_fds(s[1], got, 1, 0));
    SAY(receive_fds(s[1], got, 1, MSG_DONTWAIT));
    SAY(receive_fds(s[1], got, 1, MSG_DONTWAIT));
    // A plain read drops them.
    pipe(p);
    SAY(send_fds(s[0], &p[1], 1));
    close(p[1]);
    SAY(read(s[1], buffer, 10));
    SAY(read(p[0], buffer, 1));
    // Peeked descriptors are other ones.
    SAY(send_fds(s[0], &f, 1));
    SAY(receive_fds(s[1], got, 1, MSG_PEEK));
    SAY(receive_fds(s[1], got + 1, 1, 0));
    printf("two %d\n", got[0] != got[1]);
    // A socket sent over itself.
    SAY(send_fds(s[0], s, 2));
    close(s[0]);
    SAY(receive_fds(s[1], got, 2, 0));
    SAY(write(got[0], "still", 5));
    SAY(read(s[1], buffer, 10));
    // Credentials.
    socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
    int on = 1;
    SAY(write(s[0], "before", 6));
    SAY(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
    SAY(receive_fds(s[1], got, 8, 0));
    SAY(write(s[0], "after", 5));
    SAY(receive_fds(s[1], got, 8, 0));
    SAY(send_fds(s[0], &f, 1));
    SAY(receive_fds(s[1], got, 8, 0));
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr header;
    } control = {.header = {CMSG_LEN(sizeof(struct ucred)), SOL_SOCKET, SCM_CREDENTIALS}};
    struct iovec v = {"c", 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct ucred who = {getpid(), 77, 88};
    memcpy(CMSG_DATA(&control.header), &who, sizeof who);
    SAY(sendmsg(s[0], &m, 0));
    SAY(receive_fds(s[1], got, 8, 0));
    pid_t child;
    IN_CHILD (child) {
        setuid(5);
        SAY(sendmsg(s[0], &m, 0));
        who = (struct ucred){getpid(), 5, 0};
        memcpy(CMSG_DATA(&control.header), &who, sizeof who);
        SAY(sendmsg(s[0], &m, 0));
        who.pid = getppid();
        memcpy(CMSG_DATA(&control.header), &who, sizeof who);
        SAY(sendmsg(s[0], &m, 0));
    }
    wait_for(child);
    SAY(receive_fds(s[1], got, 8, MSG_DONTWAIT));
}

// A listener on a loopback port that the system chose.
static int listener(struct sockaddr_in *a, int type) {
    int l = socket(AF_INET, type, 0);
    socklen_t size = sizeof *a;
    *a = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bind(l, (void *)a, sizeof *a);
    if (type == SOCK_STREAM) listen(l, 8);
    getsockname(l, (void *)a, &size);
    return l;
}

static void tcp(void) {
    struct sockaddr_in a, b;
    socklen_t size = sizeof b;
    int l = listener(&a, SOCK_STREAM), c = socket(AF_INET, SOCK_STREAM, 0), value;
    printf("port %d\n", a.sin_port != 0);
    SAY(send(c, "x", 1, MSG_NOSIGNAL));
    SAY(getpeername(c, (void *)&b, &size));
    SAY(connect(c, (void *)&a, sizeof a));
    SAY(connect(c, (void *)&a, sizeof a));
    int s = accept(l, (void *)&b, &size);
    printf("from loopback %d\n", b.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    struct sockaddr_in mine;
    getsockname(c, (void *)&mine, &size);
    printf("its port %d\n", mine.sin_port == b.sin_port);
    SAY(bind(socket(AF_INET, SOCK_STREAM, 0), (void *)&a, sizeof a));
    SAY(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)));
    size = sizeof value;
    SAY(getsockopt(c, IPPROTO_TCP, TCP_NODELAY, &value, &size));
    printf("nodelay %d\n", value != 0);
    SAY(setsockopt(c, 99, 99, &value, sizeof value));
    SAY(getsockopt(c, SOL_SOCKET, SO_ERROR, &value, &size));
    printf("error %d\n", value);
    SAY(send(c, "hello", 5, 0));
    SAY(recv(s, buffer, 2, MSG_PEEK));
    SAY(recv(s, buffer, 5, MSG_WAITALL));
    // Waiting for all of it.
    pid_t child;
    IN_CHILD (child) {
        SAY(recv(s, buffer, 8, MSG_WAITALL));
    }
    SAY(send(c, "four", 4, 0));
    until_asleep(child);
    send(c, "more", 4, 0);
    wait_for(child);
    // A lot of data arrives in order.
    IN_CHILD (child) {
        for (int i = 0; i < 64; i++) {
            memset(buffer, i, 65536);
            for (long at = 0, n; at < 65536; at += n) {
                n = write(c, buffer + at, 65536 - at);
                if (n < 0) _exit(1);
            }
        }
    }
    long total = 0, wrong = 0, n;
    while (total < 64 * 65536 && (n = read(s, buffer, sizeof buffer)) > 0) {
        for (long i = 0; i < n; i++)
            wrong += buffer[i] != (char)((total + i) >> 16);
        total += n;
    }
    printf("%ld bytes, %ld wrong\n", total, wrong);
    say_status("writer", wait_for(child));
    // A full connection.
    no_wait(c);
    while (write(c, buffer, sizeof buffer) > 0) {
    }
    say("full", -1);
    struct pollfd p = {c, POLLOUT, 0};
    SAY(poll(&p, 1, 0));
    no_wait(s);
    while (read(s, buffer, sizeof buffer) > 0 || poll(&p, 1, 0) == 0) {
    }
    SAY(poll(&p, 1, 20000));
    while (p.fd = s, p.events = POLLIN, poll(&p, 1, 200) > 0)
        read(s, buffer, sizeof buffer);
    // Half closed, then closed.
    SAY(shutdown(c, SHUT_WR));
    SAY(poll(&p, 1, 20000));
    SAY(read(s, buffer, 10));
    SAY(send(s, "back", 4, 0));
    fcntl(c, F_SETFL, 0);
    SAY(read(c, buffer, 10));
    signal(SIGPIPE, SIG_IGN);
    SAY(write(c, "x", 1));
    close(s);
    SAY(read(c, buffer, 10));
    close(c);
    close(l);
    c = socket(AF_INET, SOCK_STREAM, 0);
    SAY(connect(c, (void *)&a, sizeof a));
    close(c);
    // Connecting without waiting.
    l = listener(&a, SOCK_STREAM);
    c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int r = connect(c, (void *)&a, sizeof a);
    printf("connecting %d\n", r == 0 || errno == EINPROGRESS);
    p = (struct pollfd){c, POLLOUT, 0};
    SAY(poll(&p, 1, 20000));
    getsockopt(c, SOL_SOCKET, SO_ERROR, &value, &size);
    printf("error %d\n", value);
    s = accept(l, 0, 0);
    // Data nobody read, then close: a reset.
    write(c, "unread", 6);
    p = (struct pollfd){s, POLLIN, 0};
    poll(&p, 1, 20000);
    close(s);
    p = (struct pollfd){c, POLLIN, 0};
    SAY(poll(&p, 1, 20000));
    SAY(read(c, buffer, 10));
    SAY(read(c, buffer, 10));
    SAY(write(c, "x", 1));
    // An address that is not ours.
    a.sin_addr.s_addr = htonl(0x01020304);
    SAY(bind(socket(AF_INET, SOCK_STREAM, 0), (void *)&a, sizeof a));
    SAY(bind(socket(AF_INET, SOCK_STREAM, 0), (void *)&a, 3));
    struct timeval t = {0, 150000};
    SAY(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
    SAY(accept(l, 0, 0));
}

static void udp(void) {
    struct sockaddr_in a, from;
    socklen_t size = sizeof from;
    int l = listener(&a, SOCK_DGRAM), c = socket(AF_INET, SOCK_DGRAM, 0), value;
    SAY(send(c, "x", 1, 0));
    SAY(sendto(c, "one", 3, 0, (void *)&a, sizeof a));
    SAY(sendto(c, "three", 5, 0, (void *)&a, sizeof a));
    SAY(ioctl(l, FIONREAD, &value));
    printf("first has %d\n", value);
    SAY(recvfrom(l, buffer, 2, MSG_TRUNC, (void *)&from, &size));
    SAY(recvfrom(l, buffer, 100, 0, (void *)&from, &size));
    SAY(sendto(l, "answer", 6, 0, (void *)&from, size));
    SAY(recv(c, buffer, 100, 0));
    SAY(connect(c, (void *)&a, sizeof a));
    SAY(send(c, "connected", 9, 0));
    SAY(recv(l, buffer, 100, 0));
    // Not from the peer: not for us.
    struct sockaddr_in mine;
    size = sizeof mine;
    getsockname(c, (void *)&mine, &size);
    int other = socket(AF_INET, SOCK_DGRAM, 0);
    SAY(sendto(other, "stranger", 8, 0, (void *)&mine, sizeof mine));
    SAY(recv(c, buffer, 100, MSG_DONTWAIT));
    SAY(send(c, "", 0, 0));
    SAY(recv(l, buffer, 100, 0));
    SAY(send(c, buffer, 70000, 0));
    // Nobody listens there any more.
    close(l);
    SAY(send(c, "x", 1, 0));
    struct pollfd p = {c, POLLIN, 0};
    SAY(poll(&p, 1, 20000));
    printf("%x\n", p.revents & POLLERR);
    SAY(recv(c, buffer, 100, MSG_DONTWAIT));
    SAY(recv(c, buffer, 100, MSG_DONTWAIT));
    SAY(shutdown(c, SHUT_RDWR));
    SAY(recv(c, buffer, 10, MSG_DONTWAIT));
    SAY(listen(other, 1));
    SAY(accept(other, 0, 0));
    struct timeval t = {0, 150000};
    SAY(setsockopt(other, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
    SAY(recv(other, buffer, 10, 0));
}

MAIN(TEST(pairs), TEST(unix_names), TEST(datagrams), TEST(rights), TEST(tcp), TEST(udp))
