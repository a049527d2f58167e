/* SPDX-License-Identifier: GPL-2.0 */
/* What tells whoever watches of each row. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM shelf

#if !defined(SHELF_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define SHELF_TRACE_H

#include <linux/tracepoint.h>

TRACE_EVENT(shelf_row,
	TP_PROTO(unsigned int width),
	TP_ARGS(width),
	TP_STRUCT__entry(__field(unsigned int, width)),
	TP_fast_assign(__entry->width = width;),
	TP_printk("width=%u", __entry->width)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE shelf_trace
#include <trace/define_trace.h>
