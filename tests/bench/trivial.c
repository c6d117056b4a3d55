/*
 * The least a libfcgi program can do: answer every request with one fixed body. The bench compares
 * the shop with it, so it is made as fast as libfcgi allows: a thread for each kept connection,
 * blocked in its read, no routing, no look-up.
 *
 *     bench_trivial <socket path> <body file> <threads>
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <fcgiapp.h>

static char answer[1 << 20];
static int answer_len;
static int listening;

static void *
serve(void *unused)
{
	(void)unused;
	FCGX_Request request;
	if (FCGX_InitRequest(&request, listening, 0) != 0)
		return NULL;
	while (FCGX_Accept_r(&request) == 0) {
		FCGX_PutStr(answer, answer_len, request.out);
		FCGX_Finish_r(&request);
	}
	return NULL;
}

static int
prepare_answer(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		return -1;
	char body[sizeof(answer) - 200];
	size_t len = fread(body, 1, sizeof(body), file);
	fclose(file);
	answer_len = snprintf(answer, sizeof(answer),
	    "Status: 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%.*s",
	    len, (int)len, body);
	return 0;
}

static int
listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address.sun_path))
		return -1;
	strcpy(address.sun_path, path);
	listening = socket(AF_UNIX, SOCK_STREAM, 0);
	if (listening < 0 || bind(listening, (struct sockaddr *)&address, sizeof(address)) != 0)
		return -1;
	return listen(listening, 4096);
}

int
main(int argc, char **argv)
{
	int threads = argc == 4 ? (int)strtol(argv[3], NULL, 10) : 0;
	if (threads < 1) {
		fprintf(stderr, "usage: bench_trivial <socket path> <body file> <threads>\n");
		return 2;
	}
	if (FCGX_Init() != 0 || prepare_answer(argv[2]) != 0 || listen_at(argv[1]) != 0) {
		perror("bench_trivial");
		return 1;
	}
	for (int i = 0; i < threads; i++) {
		pthread_t thread;
		if (pthread_create(&thread, NULL, serve, NULL) != 0)
			return 1;
	}
	pause();
	return 0;
}
