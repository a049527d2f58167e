/* herd [CHILDREN [PATH]] answers each line of its input with value(1), and meanwhile keeps forking
 * so many children, which ask for a value, live a moment, and end. With a path it executes that
 * at the line "x". */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int value(int n);

int main(int argc, char **argv)
{
	int children = argc > 1 ? atoi(argv[1]) : 0, live = 0;
	char line[64];

	setvbuf(stdout, 0, _IONBF, 0);
	for (;;) {
		struct pollfd p = { 0, POLLIN, 0 };

		if (poll(&p, 1, children ? 1 : -1) > 0) {
			ssize_t n = read(0, line, sizeof line);

			if (n <= 0)
				return 0;
			if (line[0] == 'x' && argc > 2)
				execv(argv[2], argv);
			printf("%d\n", value(1));
		}
		while (waitpid(-1, 0, WNOHANG) > 0)
			live--;
		for (; live < children; live++)
			if (!fork()) {
				usleep(3000 + value(1) % 2);
				_exit(0);
			}
	}
}
