/* What the two halves of the victim know of each other. */

struct text {
	char *to;
	int room, used;
};

/* server.c */
void put_text(struct text *t, const char *s);
void put_number(struct text *t, long n);

/* shop.c: writes the answer to a request, and returns its length. */
int answer(char *out, int size, int item, long pieces);
