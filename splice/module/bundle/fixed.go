package bundle

import "strings"

// language are words of C with GNU's extensions, and what every kernel has for words of it.
const language = `
auto break case char const continue default do double else enum extern float for goto if inline int long register restrict
return short signed sizeof static struct switch typedef union unsigned void volatile while _Alignas _Alignof _Atomic _Bool
_Complex _Generic _Noreturn _Static_assert _Thread_local __alignof__ __asm__ asm __attribute__ __auto_type __const __extension__
__inline __inline__ __label__ __restrict __signed__ __typeof__ typeof __volatile__ __func__ __builtin_expect
__builtin_constant_p __builtin_unreachable NULL true false bool likely unlikely fallthrough`

// numbers are those of errors that programs know: their values stay for ever.
const numbers = `
EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY EEXIST EXDEV ENODEV
ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG
ENOLCK ENOSYS ENOTEMPTY ELOOP ENOMSG ENODATA ETIME EPROTO EBADMSG EOVERFLOW EILSEQ ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE
ENOPROTOOPT EPROTONOSUPPORT EOPNOTSUPP EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ECONNABORTED ECONNRESET
ENOBUFS EISCONN ENOTCONN ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS ESTALE EDQUOT ECANCELED`

// fixed are the names that mean the same in every kernel.
func fixed() map[string]bool { return setOf(strings.Fields(language + numbers)) }
