// relay: the floor of any UDP proxy on this machine. It moves datagrams and reads none of them.
//
// What arrives at PORT goes to the gateway from PORT+1, what comes back there goes to the caller seen last; up to 64
// datagrams per system call. Usage: relay HOST PORT GATEWAY GATEWAY_PORT
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

enum { BATCH = 64, ROUNDS = 8 };

static struct sockaddr_in address(const char *host, int port) {
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
    if (inet_pton(AF_INET, host, &a.sin_addr) != 1) { fprintf(stderr, "not an address: %s\n", host); exit(2); }
    return a;
}

static int open_socket(struct sockaddr_in a) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), bytes = 4 << 20;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    if (bind(fd, (struct sockaddr *)&a, sizeof a)) { perror("bind"); exit(1); }
    return fd;
}

// Move one batch; its size. The sender of its last datagram is left in *from.
static int move(int in, int out, struct sockaddr_in *to, struct sockaddr_in *from) {
    static char bytes[BATCH][8192];
    static struct sockaddr_in names[BATCH];
    struct iovec vectors[BATCH];
    struct mmsghdr headers[BATCH];
    for (int i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){ bytes[i], sizeof bytes[i] };
        headers[i].msg_hdr = (struct msghdr){ .msg_name = &names[i], .msg_namelen = sizeof names[i], .msg_iov = &vectors[i], .msg_iovlen = 1 };
    }
    int n = recvmmsg(in, headers, BATCH, MSG_DONTWAIT, NULL);
    if (n <= 0) return 0;
    *from = names[n - 1];
    for (int i = 0; i < n; i++) {
        vectors[i].iov_len = headers[i].msg_len;
        headers[i].msg_hdr.msg_name = to;
        headers[i].msg_hdr.msg_namelen = sizeof *to;
    }
    for (int sent = 0, w; sent < n && (w = sendmmsg(out, headers + sent, n - sent, 0)) > 0;) sent += w;
    return n;
}

int main(int argc, char **argv) {
    if (argc != 5) { fprintf(stderr, "usage: relay HOST PORT GATEWAY GATEWAY_PORT\n"); return 2; }
    int near = open_socket(address(argv[1], atoi(argv[2]))), far = open_socket(address(argv[1], atoi(argv[2]) + 1));
    struct sockaddr_in gateway = address(argv[3], atoi(argv[4])), caller = gateway, ignored;
    prctl(PR_SET_TIMERSLACK, 1);
    int poll = epoll_create1(0);
    struct epoll_event near_event = { .events = EPOLLIN, .data.fd = near }, far_event = { .events = EPOLLIN, .data.fd = far };
    epoll_ctl(poll, EPOLL_CTL_ADD, near, &near_event);
    epoll_ctl(poll, EPOLL_CTL_ADD, far, &far_event);
    for (;;) {
        struct epoll_event events[2];
        for (int i = epoll_wait(poll, events, 2, -1); i-- > 0;)
            for (int round = 0; round < ROUNDS; round++) {
                int n = events[i].data.fd == near ? move(near, far, &gateway, &caller) : move(far, near, &caller, &ignored);
                if (n < BATCH) break;
            }
    }
}
