/*
 * A TCP stream through a tunnel, as fast as it goes.
 *
 *   tunnel-load receive ADDRESS PORT WARM_UP_MS   prints "listening"; takes one connection and prints BYTES SECONDS:
 *                                                 what came from WARM_UP_MS after its first byte to its end
 *   tunnel-load send ADDRESS PORT MS              sends for so long, then ends the connection
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char buffer[1 << 16];

static void fail(const char *what) {
	perror(what);
	exit(1);
}

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void receive(const struct sockaddr_in *local, double warm_up) {
	int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
	if (listener < 0) fail("socket");
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(listener, (const void *)local, sizeof *local) || listen(listener, 1)) fail("bind");
	puts("listening");
	fflush(stdout);
	int connection = accept(listener, NULL, NULL);
	if (connection < 0) fail("accept");
	double first = 0, begin = 0, last = 0;
	unsigned long long bytes = 0;
	ssize_t size;
	while ((size = read(connection, buffer, sizeof buffer)) > 0) {
		last = now();
		if (first == 0) first = last;
		if (begin != 0) bytes += size;
		else if (last - first >= warm_up) begin = last;
	}
	if (size < 0) fail("read");
	if (bytes == 0) {
		fputs("nothing came after the warm-up\n", stderr);
		exit(1);
	}
	printf("%llu %.6f\n", bytes, last - begin);
}

static void transmit(const struct sockaddr_in *remote, double seconds) {
	int connection = socket(AF_INET, SOCK_STREAM, 0);
	if (connection < 0) fail("socket");
	if (connect(connection, (const void *)remote, sizeof *remote)) fail("connect");
	double end = now() + seconds;
	while (now() < end)
		if (write(connection, buffer, sizeof buffer) < 0) fail("write");
	shutdown(connection, SHUT_WR);
	while (read(connection, buffer, sizeof buffer) > 0);
	close(connection);
}

int main(int count, char **words) {
	struct sockaddr_in address = { .sin_family = AF_INET };
	if (count != 5 || inet_pton(AF_INET, words[2], &address.sin_addr) != 1) {
		fputs("usage: tunnel-load receive|send ADDRESS PORT MS\n", stderr);
		return 2;
	}
	address.sin_port = htons(atoi(words[3]));
	double seconds = atof(words[4]) / 1000;
	if (strcmp(words[1], "send") == 0) transmit(&address, seconds);
	else receive(&address, seconds);
	return 0;
}
