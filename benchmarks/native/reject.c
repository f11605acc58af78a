// reject: the floor of a refusal on this machine. It answers each INVITE with 403 and reads no more of it than that
// needs; everything else is swallowed. Usage: reject HOST PORT
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static const char *const COPIED[] = { "Via:", "From:", "To:", "Call-ID:", "CSeq:" };

static int write_refusal(char *to, const char *request, const char *end) {
    int n = sprintf(to, "SIP/2.0 403 Forbidden\r\n");
    for (const char *line = request, *next; (next = memchr(line, '\n', end - line)); line = next + 1) {
        int length = (int)(next - line);
        if (length && line[length - 1] == '\r') length--;
        if (!length) break;
        for (size_t i = 0; i < sizeof COPIED / sizeof *COPIED; i++)
            if (!strncasecmp(line, COPIED[i], strlen(COPIED[i])))
                n += sprintf(to + n, "%.*s%s\r\n", length, line, COPIED[i][0] == 'T' ? ";tag=r" : "");
    }
    return n + sprintf(to + n, "Content-Length: 0\r\n\r\n");
}

int main(int argc, char **argv) {
    if (argc != 3) { fprintf(stderr, "usage: reject HOST PORT\n"); return 2; }
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), bytes = 4 << 20, poll = epoll_create1(0);
    struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[2])) };
    inet_pton(AF_INET, argv[1], &own.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    if (bind(fd, (struct sockaddr *)&own, sizeof own)) { perror("bind"); return 1; }
    struct epoll_event event = { .events = EPOLLIN };
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    static char request[65536], refusal[2 * sizeof request];
    for (;;) {
        epoll_wait(poll, &event, 1, -1);
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        for (ssize_t n; (n = recvfrom(fd, request, sizeof request, MSG_DONTWAIT, (struct sockaddr *)&from, &size)) >= 0; size = sizeof from)
            if (n > 6 && !memcmp(request, "INVITE", 6))
                sendto(fd, refusal, write_refusal(refusal, request, request + n), 0, (struct sockaddr *)&from, size);
    }
}
