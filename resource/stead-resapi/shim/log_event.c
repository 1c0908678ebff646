/*
 * LogEvent is variadic, and stable Rust cannot define a variadic function: this shim formats the message and hands
 * finished text to Rust. It never gives a resource DLL's text to printf as a format.
 *
 * Windows: resapi/nc-resapi-plog_event_routine
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST_LINE = 500, LONGEST_FORMAT = 4096, LONGEST_ARGUMENT = 4096, ARGUMENTS = 99, WIDEST = 999 };

extern void stead_log_event_sink(void *handle, int32_t level, const uint16_t *text, size_t length);

enum class { UNUSED, NUMBER32, NUMBER64, WIDE, NARROW };

struct insert {
    unsigned index;    /* 1 to 99 */
    enum class class;
    char conversion;   /* d i u x X o c p s */
    char flags[6];
    int width;         /* -1: none */
    int precision;     /* -1: none */
    size_t length;     /* of the whole insert in the format */
};

union argument {
    uint32_t number32;
    uint64_t number64;
    const uint16_t *wide;
    const char *narrow;
};

struct line {
    uint16_t text[LONGEST_LINE];
    size_t length;
};

static void put(struct line *line, uint16_t unit)
{
    if (line->length < LONGEST_LINE)
        line->text[line->length++] = unit;
}

static int is_digit(uint16_t unit)
{
    return unit >= '0' && unit <= '9';
}

/* Reads a number of at most three digits; -1 if there is none, -2 if it is too long. */
static int number(const uint16_t *format, size_t *at, size_t end)
{
    int value = -1, digits = 0;
    while (*at < end && is_digit(format[*at])) {
        if (++digits > 3)
            return -2;
        value = (value < 0 ? 0 : value) * 10 + (format[(*at)++] - '0');
    }
    return value;
}

/* Reads the insert that begins with the % at format[at]. Returns 0 if it is none that is understood. */
static int read_insert(const uint16_t *format, size_t at, size_t end, struct insert *insert)
{
    size_t begin = at++;
    int wide = 1, big = 0;
    memset(insert, 0, sizeof *insert);
    insert->width = insert->precision = -1;
    if (at >= end || format[at] < '1' || format[at] > '9')
        return 0;
    insert->index = (unsigned)(format[at++] - '0');
    if (at < end && is_digit(format[at]))
        insert->index = insert->index * 10 + (unsigned)(format[at++] - '0');
    if (at >= end || format[at] != '!') {
        insert->class = WIDE;
        insert->conversion = 's';
        insert->length = at - begin;
        return 1;
    }
    at++;
    for (size_t count = 0; at < end && count < 5 && format[at] < 128 && strchr("-+ #0", format[at]) && format[at]; at++)
        insert->flags[count++] = (char)format[at];
    insert->width = number(format, &at, end);
    if (at < end && format[at] == '.') {
        at++;
        insert->precision = number(format, &at, end);
        if (insert->precision == -1)
            insert->precision = 0;
    }
    if (insert->width == -2 || insert->precision == -2)
        return 0;
    if (at + 2 < end && format[at] == 'I' && format[at + 1] == '6' && format[at + 2] == '4') {
        big = 1;
        at += 3;
    } else if (at + 2 < end && format[at] == 'I' && format[at + 1] == '3' && format[at + 2] == '2') {
        at += 3;
    } else if (at + 1 < end && format[at] == 'l' && format[at + 1] == 'l') {
        big = 1;
        at += 2;
    } else if (at < end && (format[at] == 'l' || format[at] == 'w')) {
        at++;
    } else if (at < end && format[at] == 'h') {
        wide = 0;
        at++;
    } else if (at < end && (format[at] == 'I' || format[at] == 'z')) {
        big = 1;
        at++;
    }
    if (at + 1 >= end || format[at + 1] != '!')
        return 0;
    switch (format[at]) {
    case 'd': case 'i': case 'u': case 'x': case 'X': case 'o':
        insert->class = big ? NUMBER64 : NUMBER32;
        break;
    case 'c': case 'C':
        insert->class = NUMBER32;
        break;
    case 'p':
        insert->class = NUMBER64;
        break;
    case 's':
        insert->class = wide ? WIDE : NARROW;
        break;
    case 'S':
        insert->class = NARROW;
        break;
    default:
        return 0;
    }
    insert->conversion = (char)(format[at] == 'S' ? 's' : format[at] == 'C' ? 'c' : format[at]);
    insert->length = at + 2 - begin;
    return 1;
}

static void put_padded(struct line *line, const struct insert *insert, const uint16_t *text, size_t length)
{
    size_t pad = insert->width > 0 && (size_t)insert->width > length ? (size_t)insert->width - length : 0;
    int left = strchr(insert->flags, '-') != NULL;
    for (size_t i = 0; !left && i < pad; i++)
        put(line, ' ');
    for (size_t i = 0; i < length; i++)
        put(line, text[i]);
    for (size_t i = 0; left && i < pad; i++)
        put(line, ' ');
}

static void put_number(struct line *line, const struct insert *insert, union argument argument)
{
    char format[32], text[WIDEST + 32];
    uint16_t units[WIDEST + 32];
    char conversion = insert->conversion;
    unsigned long long value = insert->class == NUMBER64 ? argument.number64 : argument.number32;
    int count;
    if (conversion == 'p') {
        snprintf(format, sizeof format, "%%016llX");
    } else {
        if ((conversion == 'd' || conversion == 'i') && insert->class == NUMBER32)
            value = (unsigned long long)(long long)(int32_t)argument.number32;
        if (insert->precision >= 0)
            snprintf(format, sizeof format, "%%%s%d.%dll%c", insert->flags, insert->width < 0 ? 0 : insert->width,
                     insert->precision, conversion);
        else if (insert->width >= 0)
            snprintf(format, sizeof format, "%%%s%dll%c", insert->flags, insert->width, conversion);
        else
            snprintf(format, sizeof format, "%%%sll%c", insert->flags, conversion);
    }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    /* The format was built above from checked parts and holds exactly one long long conversion. */
    count = snprintf(text, sizeof text, format, value);
#pragma GCC diagnostic pop
    for (int i = 0; i < count && i < (int)sizeof text - 1; i++)
        units[i] = (unsigned char)text[i];
    for (int i = 0; i < count && i < (int)sizeof text - 1; i++)
        put(line, units[i]);
}

static void put_string(struct line *line, const struct insert *insert, union argument argument)
{
    static const uint16_t nothing[] = { '(', 'n', 'u', 'l', 'l', ')' };
    uint16_t text[LONGEST_LINE];
    size_t most = insert->precision >= 0 ? (size_t)insert->precision : LONGEST_ARGUMENT, length = 0;
    if (most > LONGEST_LINE)
        most = LONGEST_LINE;
    if (insert->class == WIDE ? argument.wide == NULL : argument.narrow == NULL) {
        put_padded(line, insert, nothing, 6);
        return;
    }
    for (; length < most; length++) {
        uint16_t unit;
        if (insert->class == WIDE)
            memcpy(&unit, argument.wide + length, sizeof unit);
        else
            unit = (unsigned char)argument.narrow[length];
        if (unit == 0)
            break;
        text[length] = unit;
    }
    put_padded(line, insert, text, length);
}

void stead_log_event(void *handle, int32_t level, const uint16_t *format, ...)
{
    enum class classes[ARGUMENTS + 1] = { UNUSED };
    union argument arguments[ARGUMENTS + 1];
    static const uint16_t nothing[] = { '(', 'n', 'u', 'l', 'l', ')' };
    struct line line;
    struct insert insert;
    size_t end = 0;
    unsigned last = 0;
    va_list list;

    line.length = 0;
    memset(arguments, 0, sizeof arguments);
    if (format == NULL) {
        stead_log_event_sink(handle, level, nothing, 6);
        return;
    }
    while (end < LONGEST_FORMAT && format[end] != 0)
        end++;
    /* What each argument is must be known before the first can be fetched: they may be used out of order. */
    for (size_t at = 0; at < end; at++) {
        if (format[at] != '%')
            continue;
        if (read_insert(format, at, end, &insert)) {
            if (classes[insert.index] == UNUSED)
                classes[insert.index] = insert.class;
            if (insert.index > last)
                last = insert.index;
            at += insert.length - 1;
        } else {
            at++;
        }
    }
    va_start(list, format);
    for (unsigned index = 1; index <= last; index++) {
        switch (classes[index]) {
        case NUMBER32:
            arguments[index].number32 = va_arg(list, uint32_t);
            break;
        case WIDE:
            arguments[index].wide = va_arg(list, const uint16_t *);
            break;
        case NARROW:
            arguments[index].narrow = va_arg(list, const char *);
            break;
        case NUMBER64:
        case UNUSED:
            /* A gap takes one slot, whatever is in it. */
            arguments[index].number64 = va_arg(list, uint64_t);
            break;
        }
    }
    va_end(list);
    for (size_t at = 0; at < end; at++) {
        if (format[at] != '%') {
            put(&line, format[at]);
            continue;
        }
        /* The same argument asked for as two different things would be read as what it is not. */
        if (read_insert(format, at, end, &insert) && classes[insert.index] == insert.class) {
            if (insert.class == WIDE || insert.class == NARROW)
                put_string(&line, &insert, arguments[insert.index]);
            else if (insert.conversion == 'c')
                put_padded(&line, &insert, (uint16_t[]){ (uint16_t)arguments[insert.index].number32 }, 1);
            else
                put_number(&line, &insert, arguments[insert.index]);
            at += insert.length - 1;
            continue;
        }
        switch (at + 1 < end ? format[at + 1] : 0) {
        case '%': case '!': case '.': case ' ':
            put(&line, format[++at]);
            break;
        case 'n':
            put(&line, '\n');
            at++;
            break;
        case 'r':
            put(&line, '\r');
            at++;
            break;
        case 't':
            put(&line, '\t');
            at++;
            break;
        case 'b':
            put(&line, ' ');
            at++;
            break;
        case '0':
            at = end;
            break;
        default:
            put(&line, '%');
            break;
        }
    }
    stead_log_event_sink(handle, level, line.text, line.length);
}
