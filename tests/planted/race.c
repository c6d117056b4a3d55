/* A data race planted on purpose: `make tsan` fails unless ThreadSanitizer reports it. */
#include <pthread.h>
#include <stddef.h>

static int shared;

static void *
writer(void *unused)
{
	(void)unused;
	shared++;
	return NULL;
}

int
main(void)
{
	pthread_t a, b;
	if (pthread_create(&a, NULL, writer, NULL) != 0 ||
	    pthread_create(&b, NULL, writer, NULL) != 0)
		return 0;
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	return 0;
}
