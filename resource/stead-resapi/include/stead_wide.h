/*
 * Strings of 16-bit units. Included by windows.h.
 */
#ifndef STEAD_WIDE_H
#define STEAD_WIDE_H

/* The C library's wide functions are built for 32 bits; these replace them. */
static inline size_t stead_wcslen(const wchar_t *text)
{
    size_t length = 0;
    while (text[length] != 0)
        length++;
    return length;
}

static inline int stead_wcsncmp(const wchar_t *a, const wchar_t *b, size_t count)
{
    for (; count > 0; a++, b++, count--)
        if (*a != *b || *a == 0)
            return (int)(uint16_t)*a - (int)(uint16_t)*b;
    return 0;
}

static inline int stead_wcscmp(const wchar_t *a, const wchar_t *b)
{
    return stead_wcsncmp(a, b, (size_t)-1);
}

static inline wchar_t stead_towlower(wchar_t unit)
{
    return (wchar_t)(unit >= 'A' && unit <= 'Z' ? unit + ('a' - 'A') : unit);
}

/* Compares without regard to ASCII case. */
static inline int stead_wcsicmp(const wchar_t *a, const wchar_t *b)
{
    while (*a != 0 && stead_towlower(*a) == stead_towlower(*b)) {
        a++;
        b++;
    }
    return (int)(uint16_t)stead_towlower(*a) - (int)(uint16_t)stead_towlower(*b);
}

static inline wchar_t *stead_wcscpy(wchar_t *to, const wchar_t *from)
{
    wchar_t *begin = to;
    while ((*to++ = *from++) != 0) {
    }
    return begin;
}

static inline wchar_t *stead_wcsncpy(wchar_t *to, const wchar_t *from, size_t count)
{
    size_t i = 0;
    for (; i < count && from[i] != 0; i++)
        to[i] = from[i];
    for (; i < count; i++)
        to[i] = 0;
    return to;
}

static inline wchar_t *stead_wcscat(wchar_t *to, const wchar_t *from)
{
    stead_wcscpy(to + stead_wcslen(to), from);
    return to;
}

static inline const wchar_t *stead_wcschr(const wchar_t *text, wchar_t unit)
{
    for (; *text != unit; text++)
        if (*text == 0)
            return NULL;
    return text;
}

/* The last one, or NULL. */
static inline const wchar_t *stead_wcsrchr(const wchar_t *text, wchar_t unit)
{
    const wchar_t *found = NULL;
    for (;; text++) {
        if (*text == unit)
            found = text;
        if (*text == 0)
            return found;
    }
}

static inline const wchar_t *stead_wcsstr(const wchar_t *text, const wchar_t *part)
{
    size_t length = stead_wcslen(part);
    for (;; text++) {
        if (stead_wcsncmp(text, part, length) == 0)
            return text;
        if (*text == 0)
            return NULL;
    }
}

/* Compares at most so many units without regard to ASCII case. */
static inline int stead_wcsnicmp(const wchar_t *a, const wchar_t *b, size_t count)
{
    for (; count > 0; a++, b++, count--)
        if (stead_towlower(*a) != stead_towlower(*b) || *a == 0)
            return (int)(uint16_t)stead_towlower(*a) - (int)(uint16_t)stead_towlower(*b);
    return 0;
}

/* The value of a digit in any base, or 36. */
static inline unsigned stead_digit(wchar_t unit)
{
    unit = stead_towlower(unit);
    if (unit >= '0' && unit <= '9')
        return (unsigned)(unit - '0');
    return unit >= 'a' && unit <= 'z' ? (unsigned)(unit - 'a') + 10 : 36;
}

/* Reads sign, base and digits; cut at the limits of 64 bits. Nothing read: end is text. */
static inline uint64_t stead_read_number(const wchar_t *text, wchar_t **end, int base, int *negative)
{
    const wchar_t *at = text, *digits;
    uint64_t number = 0;
    while (*at == ' ' || (*at >= 9 && *at <= 13))
        at++;
    *negative = *at == '-';
    if (*at == '-' || *at == '+')
        at++;
    if ((base == 0 || base == 16) && *at == '0' && stead_towlower(at[1]) == 'x' && stead_digit(at[2]) < 16) {
        at += 2;
        base = 16;
    }
    if (base == 0)
        base = *at == '0' ? 8 : 10;
    for (digits = at; stead_digit(*at) < (unsigned)base; at++) {
        unsigned digit = stead_digit(*at);
        number = number > (UINT64_MAX - digit) / (unsigned)base ? UINT64_MAX : number * (unsigned)base + digit;
    }
    if (end != NULL)
        *end = (wchar_t *)(uintptr_t)(at == digits ? text : at);
    return number;
}

/* As on Windows: long has 32 bits, and what does not fit is cut at its limits. */
static inline int32_t stead_wcstol(const wchar_t *text, wchar_t **end, int base)
{
    int negative;
    uint64_t number = stead_read_number(text, end, base, &negative);
    if (negative)
        return number > (uint64_t)INT32_MAX ? INT32_MIN : -(int32_t)number;
    return number > (uint64_t)INT32_MAX ? INT32_MAX : (int32_t)number;
}

static inline uint32_t stead_wcstoul(const wchar_t *text, wchar_t **end, int base)
{
    int negative;
    uint64_t number = stead_read_number(text, end, base, &negative);
    if (number > UINT32_MAX)
        return UINT32_MAX;
    return negative ? (uint32_t)(0 - number) : (uint32_t)number;
}

static inline int stead_wtoi(const wchar_t *text)
{
    return (int)stead_wcstol(text, NULL, 10);
}

/* The next part between delimiters; the first call gives the text, later ones NULL. */
static inline wchar_t *stead_wcstok(wchar_t *text, const wchar_t *delimiters, wchar_t **context)
{
    wchar_t *begin = text != NULL ? text : *context;
    if (begin == NULL)
        return NULL;
    while (*begin != 0 && stead_wcschr(delimiters, *begin) != NULL)
        begin++;
    if (*begin == 0) {
        *context = NULL;
        return NULL;
    }
    for (text = begin; *text != 0; text++)
        if (stead_wcschr(delimiters, *text) != NULL) {
            *text = 0;
            *context = text + 1;
            return begin;
        }
    *context = NULL;
    return begin;
}

static inline wchar_t *stead_wmemcpy(wchar_t *to, const wchar_t *from, size_t count)
{
    return (wchar_t *)__builtin_memcpy(to, from, count * sizeof(wchar_t));
}

/* A copy, freed with free; NULL where there is no memory. */
static inline wchar_t *stead_wcsdup(const wchar_t *text)
{
    size_t size = (stead_wcslen(text) + 1) * sizeof(wchar_t);
    wchar_t *copy = (wchar_t *)malloc(size);
    return copy == NULL ? NULL : (wchar_t *)__builtin_memcpy(copy, text, size);
}

/* Copies at most size - 1 units and a NUL; size counts both. */
static inline wchar_t *stead_lstrcpyn(wchar_t *to, const wchar_t *from, int size)
{
    int i = 0;
    if (size <= 0)
        return to;
    for (; i < size - 1 && from[i] != 0; i++)
        to[i] = from[i];
    to[i] = 0;
    return to;
}

#undef wcslen
#undef wcscmp
#undef wcsncmp
#undef wcscpy
#undef wcsncpy
#undef wcscat
#undef wcschr
#undef wcsrchr
#undef wcsstr
#undef wcstol
#undef wcstoul
#undef wcstok
#undef wmemcpy
#undef wcsdup
#define wcslen stead_wcslen
#define wcscmp stead_wcscmp
#define wcsncmp stead_wcsncmp
#define _wcsicmp stead_wcsicmp
#define lstrcmpiW stead_wcsicmp
#define lstrcmpW stead_wcscmp
#define lstrlenW(text) ((int)stead_wcslen(text))
#define wcscpy stead_wcscpy
#define wcsncpy stead_wcsncpy
#define wcscat stead_wcscat
#define wcschr stead_wcschr
#define wcsrchr(text, unit) ((wchar_t *)(uintptr_t)stead_wcsrchr((text), (unit)))
#define wcsstr(text, part) ((wchar_t *)(uintptr_t)stead_wcsstr((text), (part)))
#define _wcsnicmp stead_wcsnicmp
#define wcstol stead_wcstol
#define wcstoul stead_wcstoul
#define _wtoi stead_wtoi
#define wcstok stead_wcstok
#define wcstok_s stead_wcstok
#define wmemcpy stead_wmemcpy
#define wcsdup stead_wcsdup
#define _wcsdup stead_wcsdup
#define lstrcpyW stead_wcscpy
#define lstrcpynW stead_lstrcpyn
#define lstrcatW stead_wcscat

#ifdef __cplusplus
/* Headers of the standard library that are included later say std:: before these names. */
extern "C++" {
namespace std {
using ::stead_wcslen;
using ::stead_wcscmp;
using ::stead_wcsncmp;
using ::stead_wcscpy;
using ::stead_wcsncpy;
using ::stead_wcscat;
using ::stead_wcschr;
using ::stead_wcsrchr;
using ::stead_wcsstr;
using ::stead_wcstok;
using ::stead_wmemcpy;
using ::stead_wcsdup;
inline long stead_wcstol(const wchar_t *text, wchar_t **end, int base) { return ::stead_wcstol(text, end, base); }
inline unsigned long stead_wcstoul(const wchar_t *text, wchar_t **end, int base) { return ::stead_wcstoul(text, end, base); }
}
}
#endif

/*
 * What is left of the C library's wide functions reads and writes 32 bits a unit: beyond the ends of buffers. A call is an
 * error of compilation. For text there are StringCchPrintfW of strsafe.h, and WideCharToMultiByte.
 */
#if defined(__has_attribute)
#if __has_attribute(error)
#define STEAD_REFUSED(name) \
    extern __typeof__(name) name __attribute__((error(#name " is for 32-bit wide characters: use StringCch... or WideCharToMultiByte")))
#ifndef __cplusplus
STEAD_REFUSED(fputws);
STEAD_REFUSED(fputwc);
STEAD_REFUSED(fgetws);
STEAD_REFUSED(fgetwc);
STEAD_REFUSED(fwide);
STEAD_REFUSED(fwprintf);
STEAD_REFUSED(fwscanf);
STEAD_REFUSED(mbrtowc);
STEAD_REFUSED(mbsrtowcs);
STEAD_REFUSED(mbstowcs);
STEAD_REFUSED(mbtowc);
STEAD_REFUSED(swprintf);
STEAD_REFUSED(swscanf);
STEAD_REFUSED(vfwprintf);
STEAD_REFUSED(vswprintf);
STEAD_REFUSED(vwprintf);
STEAD_REFUSED(wcrtomb);
STEAD_REFUSED(wcscoll);
STEAD_REFUSED(wcscspn);
STEAD_REFUSED(wcsftime);
STEAD_REFUSED(wcspbrk);
STEAD_REFUSED(wcsrtombs);
STEAD_REFUSED(wcsspn);
STEAD_REFUSED(wcstod);
STEAD_REFUSED(wcstof);
STEAD_REFUSED(wcstold);
STEAD_REFUSED(wcstoll);
STEAD_REFUSED(wcstombs);
STEAD_REFUSED(wcstoull);
STEAD_REFUSED(wcsxfrm);
STEAD_REFUSED(wmemchr);
STEAD_REFUSED(wmemcmp);
STEAD_REFUSED(wmemmove);
STEAD_REFUSED(wmemset);
STEAD_REFUSED(wprintf);
STEAD_REFUSED(wscanf);
#endif
#undef STEAD_REFUSED
#endif
#endif

#endif
