// sipload: callers and a gateway in one process, an open-loop load generator for SIP proxies on loopback.
//
// Each call: INVITE with SDP, 100, 180, 200 after a ring, ACK, talk, BYE, 200. RFC 3261 timers A and E and the
// retransmission of the 2xx (T1 = 500 ms). With -c STATUS every INVITE is expected to be refused with it.
// Callers have many source addresses, one per line of the call file: a single socket that only sees the loopback
// device, and IP_PKTINFO to choose the source of each datagram. Latency is taken from the moment of sending.
//
// With -H no call is hung up before SIGUSR1, and then all at the rate of -r; both ends answer OPTIONS meanwhile.
//
// Call-IDs begin with the number of the call, by which both sides find its state: the proxy must keep them.
// The call file: "source;user;number" per line. Prints one JSON object.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 128,            // datagrams per recvmmsg or sendmmsg
    MESSAGE_MAX = 3072,
    ROUTE_MAX = 512,
    T1_MS = 500, T2_MS = 4000,
    INVITE_SENDS_MAX = 6,   // timer B, about
    OTHER_SENDS_MAX = 10,   // timer F
    WHEEL_MS = 1 << 16,
    DRAIN_MS = 300,         // stray datagrams after the last call
};

// ---- options

static struct sockaddr_in proxy, gateway, caller;
static double rate = 100;
static int call_count = 100, talk_ms = 1000, ring_ms = 50, patience_ms = 8000, refusal = 0;
static bool holds = false;
static volatile sig_atomic_t told_to_end = 0;

static void on_signal(int number) { (void)number; told_to_end = 1; }

// ---- calls

enum call_state { IDLE, CALLING, PROCEEDING, ESTABLISHED, ENDING, DONE, FAILED };

struct call {
    enum call_state state;
    int sends;                  // of the request that is open
    bool rang;
    int64_t sent_ns;            // of the INVITE, later of the BYE
    char to_tag[80], contact[160], route[ROUTE_MAX];
    // the gateway's side
    bool seen, acked;
    int answer_sends, answer_length;
    char *answer;               // the 200, until its ACK
    struct sockaddr_in answer_to;
};
static struct call *calls;

struct identity { struct in_addr source; char address[16], user[24], number[24]; };
static struct identity *identities;
static int identity_count;

static struct {
    int64_t completed, failed, timeouts, invites_again, byes_again, answers_again, unexpected, send_errors;
    int64_t statuses[700];
    int64_t lag_ns_max;
} seen;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

// ---- latency: a histogram in microseconds, 64 steps per octave

enum { STEPS = 64, BUCKETS = 4096 };
static uint32_t setup_us[BUCKETS], bye_us[BUCKETS], refused_us[BUCKETS]; // refused: other than -c says

static void record_latency(uint32_t *histogram, int64_t since_ns) {
    int64_t us = (now_ns() - since_ns) / 1000;
    int bucket = us < 0 ? 0 : (int)us;
    if (us >= STEPS) {
        int octave = 63 - __builtin_clzll(us);
        bucket = (octave - 5) * STEPS + (int)((us >> (octave - 6)) & (STEPS - 1));
    }
    histogram[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
}

static double percentile_us(const uint32_t *histogram, double fraction) {
    uint64_t total = 0, sum = 0;
    for (int i = 0; i < BUCKETS; i++) total += histogram[i];
    uint64_t wanted = (uint64_t)(total * fraction);
    if (wanted >= total) wanted = total - 1;
    for (int i = 0; i < BUCKETS && total; i++) {
        sum += histogram[i];
        if (sum > wanted) return i < STEPS ? i : (double)((STEPS + (i & (STEPS - 1))) * (1LL << (i / STEPS - 1)));
    }
    return -1;
}

// ---- timers: one wheel of milliseconds

enum timer_kind { INVITE_AGAIN, BYE_AGAIN, HANG_UP, GIVE_UP, ANSWER, ANSWER_AGAIN };
struct timer { int call, next; enum timer_kind kind; };
static struct timer *timers;
static int timer_capacity, free_timer = -1, wheel[WHEEL_MS];
static int64_t wheel_ms;

static void start_timer(int call, enum timer_kind kind, int ms) {
    if (ms < 1) ms = 1;
    if (ms > WHEEL_MS - 2) ms = WHEEL_MS - 2;
    if (free_timer < 0) {
        int old = timer_capacity;
        timer_capacity = old ? 2 * old : 65536;
        timers = realloc(timers, sizeof *timers * timer_capacity);
        if (!timers) abort();
        for (int i = timer_capacity - 1; i >= old; i--) { timers[i].next = free_timer; free_timer = i; }
    }
    int slot = (int)((now_ns() / 1000000 + ms) % WHEEL_MS), i = free_timer;
    free_timer = timers[i].next;
    timers[i] = (struct timer){ .call = call, .kind = kind, .next = wheel[slot] };
    wheel[slot] = i;
}

// ---- sockets

struct queue {
    int fd, length;
    struct mmsghdr headers[BATCH];
    struct iovec vectors[BATCH];
    struct sockaddr_in to[BATCH];
    char control[BATCH][CMSG_SPACE(sizeof(struct in_pktinfo))];
    char bytes[BATCH][MESSAGE_MAX];
};
static struct queue near, far; // towards the proxy, from the callers and from the gateway

static void flush_queue(struct queue *q) {
    for (int sent = 0; sent < q->length;) {
        int n = sendmmsg(q->fd, q->headers + sent, q->length - sent, 0);
        if (n > 0) { sent += n; continue; }
        if (errno == EAGAIN || errno == ENOBUFS) {
            struct pollfd p = { .fd = q->fd, .events = POLLOUT };
            poll(&p, 1, 5);
            continue;
        }
        seen.send_errors++;
        sent++;
    }
    q->length = 0;
}

static char *next_message(struct queue *q) {
    if (q->length == BATCH) flush_queue(q);
    return q->bytes[q->length];
}

// Queue the message that was written where next_message pointed; `source` NULL: the socket's own address.
static void queue_message(struct queue *q, int length, const struct sockaddr_in *to, const struct in_addr *source) {
    int i = q->length++;
    q->to[i] = *to;
    q->vectors[i] = (struct iovec){ q->bytes[i], length };
    struct msghdr *m = &q->headers[i].msg_hdr;
    *m = (struct msghdr){ .msg_name = &q->to[i], .msg_namelen = sizeof q->to[i], .msg_iov = &q->vectors[i], .msg_iovlen = 1 };
    if (source) {
        m->msg_control = q->control[i];
        m->msg_controllen = sizeof q->control[i];
        struct cmsghdr *c = CMSG_FIRSTHDR(m);
        *c = (struct cmsghdr){ .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo)) };
        struct in_pktinfo info = { .ipi_spec_dst = *source };
        memcpy(CMSG_DATA(c), &info, sizeof info);
    }
}

static int open_socket(const struct sockaddr_in *address, bool any_source) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), bytes = 4 << 20;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    struct sockaddr_in bound = *address;
    if (any_source) {
        // Every loopback address, and nothing from outside this machine.
        if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2)) { perror("SO_BINDTODEVICE lo"); exit(3); }
        bound.sin_addr.s_addr = INADDR_ANY;
    }
    if (bind(fd, (struct sockaddr *)&bound, sizeof bound)) { perror("bind"); exit(3); }
    return fd;
}

// ---- messages

static char proxy_text[32], gateway_text[32], run_text[12];
static int caller_port;
static char answer_sdp[512];

static int write_sdp(char *to, size_t size, const char *address, int port) {
    return snprintf(to, size,
        "v=0\r\no=user1 53655765 2353687637 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP 8 0 18 101\r\n"
        "a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\n"
        "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n", address, address, port);
}

// The part that all requests of a call share. `mark` tells their branches apart.
static int write_request(char *b, int call, const char *method, const char *uri, char mark, const char *route,
                         const char *to_tag, int cseq) {
    const struct identity *id = &identities[call % identity_count];
    return snprintf(b, MESSAGE_MAX,
        "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s:%d;branch=z9hG4bK-%s-%d-%c\r\nMax-Forwards: 70\r\n%s"
        "From: \"%s\" <sip:%s@%s:%d>;tag=%su%d\r\nTo: <sip:%s@%s>%s%s\r\nCall-ID: %d-%s@%s\r\nCSeq: %d %s\r\n"
        "User-Agent: sipload\r\n",
        method, uri, id->address, caller_port, run_text, call, mark, route, id->user, id->user, id->address, caller_port,
        run_text, call, id->number, proxy_text, *to_tag ? ";tag=" : "", to_tag, call, run_text, id->address, cseq, method);
}

static void send_near(int call, int length) {
    queue_message(&near, length, &proxy, &identities[call % identity_count].source);
}

static void send_invite(int i) {
    const struct identity *id = &identities[i % identity_count];
    char *b = next_message(&near), uri[80], sdp[512];
    snprintf(uri, sizeof uri, "sip:%s@%s", id->number, proxy_text);
    int sdp_length = write_sdp(sdp, sizeof sdp, id->address, 16384);
    int n = write_request(b, i, "INVITE", uri, 'i', "", "", 1);
    n += snprintf(b + n, MESSAGE_MAX - n,
        "Contact: <sip:%s@%s:%d>\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO\r\nSupported: timer, replaces\r\n"
        "Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", id->user, id->address, caller_port, sdp_length, sdp);
    send_near(i, n);
}

static void send_plain(int i, const char *method, const char *uri, char mark, const char *route, const char *tag, int cseq) {
    char *b = next_message(&near);
    int n = write_request(b, i, method, uri, mark, route, tag, cseq);
    n += snprintf(b + n, MESSAGE_MAX - n, "Content-Length: 0\r\n\r\n");
    send_near(i, n);
}

static void send_ack(int i) { send_plain(i, "ACK", calls[i].contact, 'a', calls[i].route, calls[i].to_tag, 1); }
static void send_bye(int i) { send_plain(i, "BYE", calls[i].contact, 'b', calls[i].route, calls[i].to_tag, 2); }

// ACK of a refusal: same branch and Request-URI as the INVITE (RFC 3261 17.1.1.3).
static void send_refusal_ack(int i, const char *to_tag) {
    char uri[80];
    snprintf(uri, sizeof uri, "sip:%s@%s", identities[i % identity_count].number, proxy_text);
    send_plain(i, "ACK", uri, 'i', "", to_tag, 1);
}

// ---- reading

struct text { char *start; int length; };

// Value of the header `name` (with its colon) at or after *from, which moves past it. The list must end in NUL.
static bool header(char **from, const char *name, struct text *value) {
    size_t name_length = strlen(name);
    for (char *line = *from, *end; *line && *line != '\r' && *line != '\n'; line = end + 1) {
        end = strchr(line, '\n');
        if (!end) return false;
        if (strncasecmp(line, name, name_length)) continue;
        char *v = line + name_length;
        while (*v == ' ') v++;
        int length = (int)(end - v);
        if (length && v[length - 1] == '\r') length--;
        *value = (struct text){ v, length };
        *from = end + 1;
        return true;
    }
    return false;
}

static bool first_header(char *message, const char *name, struct text *value) { return header(&message, name, value); }

static int call_of(char *message) {
    struct text id;
    if (!first_header(message, "Call-ID:", &id)) return -1;
    char *dash;
    long i = strtol(id.start, &dash, 10);
    size_t run_length = strlen(run_text);
    bool ours = *dash == '-' && !strncmp(dash + 1, run_text, run_length) && dash[1 + run_length] == '@';
    return ours && i >= 0 && i < call_count ? (int)i : -1;
}

static void read_tag(const struct text *to, char *tag, size_t size) {
    char *t = memmem(to->start, to->length, ";tag=", 5);
    int length = 0;
    if (t) for (t += 5; t + length < to->start + to->length && t[length] != ';'; length++) {}
    snprintf(tag, size, "%.*s", length, t ? t : "");
}

static void read_contact(char *message, char *contact, size_t size) {
    struct text c;
    *contact = 0;
    if (!first_header(message, "Contact:", &c)) return;
    char *open = memchr(c.start, '<', c.length), *close = open ? memchr(open, '>', c.start + c.length - open) : NULL;
    if (close) snprintf(contact, size, "%.*s", (int)(close - open - 1), open + 1);
    else snprintf(contact, size, "%.*s", c.length, c.start);
}

// Route set of a caller: the Record-Route values of the 2xx in reverse (RFC 3261 12.1.2).
static void read_route(char *message, char *route, size_t size) {
    struct text values[8], line;
    int count = 0;
    while (count < 8 && header(&message, "Record-Route:", &line)) {
        for (char *v = line.start, *end = line.start + line.length; v < end && count < 8;) {
            char *comma = memchr(v, ',', end - v), *stop = comma ? comma : end;
            values[count++] = (struct text){ v, (int)(stop - v) };
            for (v = comma ? comma + 1 : end; v < end && *v == ' '; v++) {}
        }
    }
    size_t used = 0;
    *route = 0;
    while (count-- && used < size) used += snprintf(route + used, size - used, "Route: %.*s\r\n", values[count].length, values[count].start);
}

// ---- callers

static void finish(struct call *c, bool completed) {
    c->state = completed ? DONE : FAILED;
    if (completed) seen.completed++; else seen.failed++;
}

static void invite_response(int i, struct call *c, int status, char *message) {
    bool waiting = c->state == CALLING || c->state == PROCEEDING;
    if (status < 200) {
        if (c->state == CALLING) c->state = PROCEEDING;
        if (status > 100 && !c->rang) { c->rang = true; record_latency(setup_us, c->sent_ns); }
        return;
    }
    struct text to;
    char tag[sizeof c->to_tag];
    if (!first_header(message, "To:", &to)) return;
    read_tag(&to, tag, sizeof tag);
    if (status < 300) {
        if (!waiting) { if (c->contact[0]) send_ack(i); return; }
        memcpy(c->to_tag, tag, sizeof tag);
        read_contact(message, c->contact, sizeof c->contact);
        read_route(message, c->route, sizeof c->route);
        c->state = ESTABLISHED;
        send_ack(i);
        if (!holds) start_timer(i, HANG_UP, talk_ms);
        return;
    }
    send_refusal_ack(i, tag);
    if (!waiting) return;
    if (status < 700) seen.statuses[status]++;
    record_latency(status == refusal ? setup_us : refused_us, c->sent_ns);
    finish(c, status == refusal);
}

static int write_response(char *b, const char *status, char *request, const char *tag);

// Either end says that its call is up.
static void answer_options(struct queue *q, char *message, const struct sockaddr_in *from, const struct in_addr *source) {
    char *b = next_message(q);
    int n = write_response(b, "200 OK", message, "");
    n += snprintf(b + n, MESSAGE_MAX - n, "Content-Length: 0\r\n\r\n");
    queue_message(q, n, from, source);
}

static void near_message(char *message, const struct sockaddr_in *from) {
    struct text cseq;
    int i = call_of(message);
    if (i >= 0 && !strncmp(message, "OPTIONS ", 8)) {
        answer_options(&near, message, from, &identities[i % identity_count].source);
        return;
    }
    if (strncmp(message, "SIP/2.0 ", 8) || i < 0 || !first_header(message, "CSeq:", &cseq)) { seen.unexpected++; return; }
    int status = atoi(message + 8);
    struct call *c = &calls[i];
    if (memmem(cseq.start, cseq.length, "INVITE", 6)) { invite_response(i, c, status, message); return; }
    if (status < 200 || c->state != ENDING) return;
    if (status < 300) record_latency(bye_us, c->sent_ns);
    else if (status < 700) seen.statuses[status]++;
    finish(c, status < 300);
}

// ---- the gateway

static int copy_headers(char *b, int n, char *message, const char *name, bool all, const char *suffix) {
    struct text value;
    while (header(&message, name, &value)) {
        n += snprintf(b + n, MESSAGE_MAX - n, "%s %.*s%s\r\n", name, value.length, value.start, suffix);
        if (!all) break;
    }
    return n;
}

static int write_response(char *b, const char *status, char *request, const char *tag) {
    int n = snprintf(b, MESSAGE_MAX, "SIP/2.0 %s\r\n", status);
    n = copy_headers(b, n, request, "Via:", true, "");
    n = copy_headers(b, n, request, "Record-Route:", true, "");
    n = copy_headers(b, n, request, "From:", false, "");
    n = copy_headers(b, n, request, "To:", false, tag);
    n = copy_headers(b, n, request, "Call-ID:", false, "");
    return copy_headers(b, n, request, "CSeq:", false, "");
}

static void gateway_invite(int i, struct call *c, char *message, const struct sockaddr_in *from) {
    if (c->seen) return;
    c->seen = true;
    c->answer_to = *from;
    char tag[40], *b = next_message(&far);
    snprintf(tag, sizeof tag, ";tag=%sg%d", run_text, i);
    int n = write_response(b, "100 Trying", message, "");
    n += snprintf(b + n, MESSAGE_MAX - n, "Content-Length: 0\r\n\r\n");
    queue_message(&far, n, from, NULL);
    b = next_message(&far);
    n = write_response(b, "180 Ringing", message, tag);
    n += snprintf(b + n, MESSAGE_MAX - n, "Contact: <sip:gw@%s>\r\nServer: sipload\r\nContent-Length: 0\r\n\r\n", gateway_text);
    queue_message(&far, n, from, NULL);
    char answer[MESSAGE_MAX];
    n = write_response(answer, "200 OK", message, tag);
    n += snprintf(answer + n, MESSAGE_MAX - n,
        "Contact: <sip:gw@%s>\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO\r\nServer: sipload\r\n"
        "Content-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s", gateway_text, strlen(answer_sdp), answer_sdp);
    c->answer = malloc(n);
    if (!c->answer) abort();
    memcpy(c->answer, answer, n);
    c->answer_length = n;
    start_timer(i, ANSWER, ring_ms);
}

static void gateway_acked(struct call *c) {
    c->acked = true;
    free(c->answer);
    c->answer = NULL;
}

static void far_message(char *message, const struct sockaddr_in *from) {
    int i = call_of(message);
    if (i < 0 || !strncmp(message, "SIP/2.0", 7)) { seen.unexpected++; return; }
    struct call *c = &calls[i];
    if (!strncmp(message, "INVITE", 6)) { gateway_invite(i, c, message, from); return; }
    if (!strncmp(message, "ACK", 3)) { gateway_acked(c); return; }
    if (!strncmp(message, "OPTIONS ", 8)) { answer_options(&far, message, from, NULL); return; }
    if (strncmp(message, "BYE", 3) && strncmp(message, "CANCEL", 6)) { seen.unexpected++; return; }
    gateway_acked(c);
    char *b = next_message(&far);
    int n = write_response(b, "200 OK", message, "");
    n += snprintf(b + n, MESSAGE_MAX - n, "Server: sipload\r\nContent-Length: 0\r\n\r\n");
    queue_message(&far, n, from, NULL);
}

static void send_answer(int i) {
    struct call *c = &calls[i];
    if (!c->answer) return;
    if (++c->answer_sends > OTHER_SENDS_MAX) { gateway_acked(c); return; }
    memcpy(next_message(&far), c->answer, c->answer_length);
    queue_message(&far, c->answer_length, &c->answer_to, NULL);
    int ms = T1_MS << (c->answer_sends - 1);
    start_timer(i, ANSWER_AGAIN, ms < T2_MS ? ms : T2_MS);
}

// ---- the loop

static void fire(int i, enum timer_kind kind) {
    struct call *c = &calls[i];
    switch (kind) {
    case INVITE_AGAIN:
        if (c->state != CALLING || c->sends > INVITE_SENDS_MAX) return;
        seen.invites_again++;
        send_invite(i);
        start_timer(i, INVITE_AGAIN, T1_MS << c->sends++);
        return;
    case HANG_UP:
        if (c->state != ESTABLISHED) return;
        c->state = ENDING;
        c->sent_ns = now_ns();
        c->sends = 1;
        send_bye(i);
        start_timer(i, BYE_AGAIN, T1_MS);
        return;
    case BYE_AGAIN: {
        if (c->state != ENDING || c->sends > OTHER_SENDS_MAX) return;
        seen.byes_again++;
        send_bye(i);
        int ms = T1_MS << c->sends++;
        start_timer(i, BYE_AGAIN, ms < T2_MS ? ms : T2_MS);
        return;
    }
    case GIVE_UP:
        if (c->state >= DONE || (holds && c->state == ESTABLISHED)) return;
        seen.timeouts++;
        finish(c, false);
        return;
    case ANSWER_AGAIN:
        if (c->answer) seen.answers_again++;
        // fall through
    case ANSWER:
        send_answer(i);
    }
}

static void run_timers(int64_t now) {
    for (; wheel_ms < now / 1000000;) {
        int slot = (int)(++wheel_ms % WHEEL_MS), t = wheel[slot];
        wheel[slot] = -1;
        while (t >= 0) {
            struct timer fired = timers[t];
            timers[t].next = free_timer;
            free_timer = t;
            fire(fired.call, fired.kind);
            t = fired.next;
        }
    }
}

static int receive(int fd, bool at_gateway) {
    static char bytes[BATCH][4096];
    static struct sockaddr_in from[BATCH];
    struct iovec vectors[BATCH];
    struct mmsghdr headers[BATCH];
    for (int i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){ bytes[i], sizeof bytes[i] - 1 };
        headers[i].msg_hdr = (struct msghdr){ .msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &vectors[i], .msg_iovlen = 1 };
    }
    int n = recvmmsg(fd, headers, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < n; i++) {
        bytes[i][headers[i].msg_len] = 0;
        if (at_gateway) far_message(bytes[i], &from[i]); else near_message(bytes[i], &from[i]);
    }
    return n > 0 ? n : 0;
}

static void start_call(int i) {
    calls[i].sent_ns = now_ns();
    calls[i].state = CALLING;
    calls[i].sends = 1;
    send_invite(i);
    start_timer(i, INVITE_AGAIN, T1_MS);
    start_timer(i, GIVE_UP, patience_ms + (refusal || holds ? 0 : talk_ms));
}

static void end_held(int i) {
    fire(i, HANG_UP);
    if (calls[i].state == ENDING) start_timer(i, GIVE_UP, patience_ms);
}

// Returns the seconds in which the calls were started.
static double run(void) {
    int64_t start = now_ns(), idle_since = 0, ending = 0;
    int next_end = 0;
    double step = 1e9 / rate, window = 0;
    wheel_ms = start / 1000000;
    for (int next = 0;;) {
        int64_t now = now_ns();
        for (int burst = 0; next < call_count && start + (int64_t)(next * step) <= now && burst < 64; burst++, next++) {
            int64_t lag = now - (start + (int64_t)(next * step));
            if (lag > seen.lag_ns_max) seen.lag_ns_max = lag;
            start_call(next);
            window = (now - start) / 1e9;
        }
        if (told_to_end && !ending) ending = now;
        for (int burst = 0; ending && next_end < next && ending + (int64_t)(next_end * step) <= now && burst < 64; burst++) {
            end_held(next_end++);
        }
        run_timers(now);
        int got = receive(near.fd, false) + receive(far.fd, true);
        flush_queue(&near);
        flush_queue(&far);
        if (next == call_count && seen.completed + seen.failed == call_count) {
            if (!idle_since || got) idle_since = now;
            else if (now - idle_since > DRAIN_MS * 1000000LL) return window;
        }
        if (got) continue;
        int64_t due = (wheel_ms + 1) * 1000000, wait;
        if (next < call_count && start + (int64_t)(next * step) < due) due = start + (int64_t)(next * step);
        if ((wait = due - now_ns()) > 0) {
            struct timespec t = { wait / 1000000000, wait % 1000000000 };
            struct pollfd p[2] = { { .fd = near.fd, .events = POLLIN }, { .fd = far.fd, .events = POLLIN } };
            ppoll(p, 2, &t, NULL);
        }
    }
}

// ---- in and out

static void read_address(char *text, struct sockaddr_in *address) {
    char *colon = strchr(text, ':');
    if (!colon) { fprintf(stderr, "not host:port: %s\n", text); exit(2); }
    *colon = 0;
    *address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(atoi(colon + 1)) };
    if (inet_pton(AF_INET, text, &address->sin_addr) != 1) { fprintf(stderr, "not an address: %s\n", text); exit(2); }
    *colon = ':';
}

static void read_identities(const char *file) {
    FILE *f = fopen(file, "r");
    if (!f) { perror(file); exit(2); }
    for (struct identity id; fscanf(f, " %15[^;];%23[^;];%23[0-9]", id.address, id.user, id.number) == 3;) {
        if (inet_pton(AF_INET, id.address, &id.source) != 1) { fprintf(stderr, "%s: not an address: %s\n", file, id.address); exit(2); }
        identities = realloc(identities, sizeof id * (identity_count + 1));
        if (!identities) abort();
        identities[identity_count++] = id;
    }
    fclose(f);
    if (!identity_count) { fprintf(stderr, "%s: no line reads as source;user;number\n", file); exit(2); }
}

static void print_latency(const char *name, const uint32_t *histogram) {
    if (percentile_us(histogram, 1) < 0) return; // nothing of the kind happened
    printf(",\"%s\":{\"p50\":%.0f,\"p90\":%.0f,\"p99\":%.0f,\"p999\":%.0f,\"max\":%.0f}", name, percentile_us(histogram, .5),
           percentile_us(histogram, .9), percentile_us(histogram, .99), percentile_us(histogram, .999), percentile_us(histogram, 1));
}

int main(int argc, char **argv) {
    const char *file = NULL;
    for (int o; (o = getopt(argc, argv, "p:g:l:f:r:n:d:c:x:H")) > 0;) switch (o) {
    case 'p': read_address(optarg, &proxy); snprintf(proxy_text, sizeof proxy_text, "%s", optarg); break;
    case 'g': read_address(optarg, &gateway); snprintf(gateway_text, sizeof gateway_text, "%s", optarg); break;
    case 'l': caller_port = atoi(optarg); break;
    case 'f': file = optarg; break;
    case 'r': rate = atof(optarg); break;
    case 'n': call_count = atoi(optarg); break;
    case 'd': talk_ms = atoi(optarg); break;
    case 'c': refusal = atoi(optarg); break;
    case 'x': patience_ms = atoi(optarg); break;
    case 'H': holds = true; break;
    default: optind = argc + 1;
    }
    if (optind != argc || !file || !caller_port || !proxy.sin_port || !gateway.sin_port || rate <= 0 || call_count < 1) {
        fprintf(stderr, "usage: sipload -p PROXY:PORT -g GATEWAY:PORT -l CALLER_PORT -f CALL_FILE "
                        "[-r calls_per_second] [-n calls] [-d talk_ms] [-c expected_refusal] [-x give_up_ms] [-H]\n");
        return 2;
    }
    prctl(PR_SET_TIMERSLACK, 1);
    if (holds) signal(SIGUSR1, on_signal);
    snprintf(run_text, sizeof run_text, "%x", getpid());
    read_identities(file);
    calls = calloc(call_count, sizeof *calls);
    if (!calls) abort();
    memset(wheel, -1, sizeof wheel);
    caller = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(caller_port) };
    near.fd = open_socket(&caller, true);
    far.fd = open_socket(&gateway, false);
    char host[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &gateway.sin_addr, host, sizeof host);
    write_sdp(answer_sdp, sizeof answer_sdp, host, 20480);

    double window = run();
    struct rusage own;
    getrusage(RUSAGE_SELF, &own);
    double cpu_s = own.ru_utime.tv_sec + own.ru_stime.tv_sec + (own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
    printf("{\"calls\":%d,\"completed\":%ld,\"failed\":%ld,\"timeouts\":%ld,\"rate\":%.1f,\"lag_ms_max\":%.2f,"
           "\"invites_again\":%ld,\"byes_again\":%ld,\"answers_again\":%ld,\"unexpected\":%ld,\"send_errors\":%ld,\"generator_cpu_s\":%.3f",
           call_count, seen.completed, seen.failed, seen.timeouts, window > 0 ? (call_count - 1) / window : 0, seen.lag_ns_max / 1e6,
           seen.invites_again, seen.byes_again, seen.answers_again, seen.unexpected, seen.send_errors, cpu_s);
    print_latency("setup_us", setup_us);
    print_latency("bye_us", bye_us);
    print_latency("refused_us", refused_us);
    printf(",\"statuses\":{");
    for (int i = 0, first = 1; i < 700; i++)
        if (seen.statuses[i]) { printf("%s\"%d\":%ld", first ? "" : ",", i, seen.statuses[i]); first = 0; }
    printf("}}\n");
    return 0;
}
