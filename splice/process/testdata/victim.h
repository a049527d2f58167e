/* What a victim is made of: driver.c asks answer() of one other file, which is
 * compiled without and with -DPATCHED. */
char *put(char *out, const char *text); /* both append and return the new end */
char *num(char *out, long n);
void park(void);                  /* waits until it may go on */

/* answer writes the answer to request n. Request 0 changes no state: all
 * threads make it over and over. */
char *answer(int n, char *out);
