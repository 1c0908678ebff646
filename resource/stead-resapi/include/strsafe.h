/*
 * Bounded functions for strings of 16-bit units, under the names of strsafe.h. Sizes count units and the NUL; what does
 * not fit is cut, still ends in a NUL, and is told.
 */
#ifndef STEAD_STRSAFE_H
#define STEAD_STRSAFE_H

#include <stdarg.h>

#include "windows.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STRSAFE_MAX_CCH 2147483647
#define STRSAFE_MAX_LENGTH (STRSAFE_MAX_CCH - 1)
#define STRSAFE_E_INSUFFICIENT_BUFFER ((HRESULT)0x8007007Au)
#define STRSAFE_E_INVALID_PARAMETER ((HRESULT)0x80070057u)

/* A buffer that is being filled. */
struct stead_out { wchar_t *text; size_t size; size_t length; int cut; };

static inline void stead_put(struct stead_out *out, wchar_t unit)
{
    if (out->length + 1 < out->size)
        out->text[out->length++] = unit;
    else
        out->cut = 1;
}

static inline void stead_pad(struct stead_out *out, wchar_t unit, long count)
{
    for (; count > 0 && !out->cut; count--)
        stead_put(out, unit);
}

/* One text of 16-bit or, with narrow, 8-bit units. */
static inline void stead_put_text(struct stead_out *out, const void *text, int narrow, long width, long precision, int left)
{
    static const char null_text[] = "(null)";
    long length = 0, i;
    if (text == NULL) {
        text = null_text;
        narrow = 1;
    }
    while ((precision < 0 || length < precision) && length < STRSAFE_MAX_CCH - 1
           && (narrow ? ((const unsigned char *)text)[length] : ((const wchar_t *)text)[length]) != 0)
        length++;
    if (!left)
        stead_pad(out, ' ', width - length);
    for (i = 0; i < length && !out->cut; i++)
        stead_put(out, narrow ? (wchar_t)((const unsigned char *)text)[i] : ((const wchar_t *)text)[i]);
    if (left)
        stead_pad(out, ' ', width - length);
}

static inline void stead_put_number(struct stead_out *out, uint64_t number, unsigned base, const char *sign, int upper,
                                    long width, long precision, int left, int zeros)
{
    char digits[32];
    long length = 0, signs = (long)__builtin_strlen(sign), filled;
    do {
        digits[length++] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[number % base];
        number /= base;
    } while (number != 0);
    filled = precision > length ? precision : length;
    if (zeros && !left && precision < 0 && width - signs > filled)
        filled = width - signs;
    if (!left)
        stead_pad(out, ' ', width - signs - filled);
    for (; *sign != 0; sign++)
        stead_put(out, (wchar_t)*sign);
    stead_pad(out, '0', filled - length);
    while (length > 0)
        stead_put(out, (wchar_t)digits[--length]);
    if (left)
        stead_pad(out, ' ', width - signs - filled);
}

/* A width or precision, at most what a buffer can hold. */
static inline long stead_read_size(const wchar_t **format)
{
    long size = 0;
    for (; **format >= '0' && **format <= '9'; (*format)++)
        size = size > 100000000 ? size : size * 10 + (**format - '0');
    return size;
}

/*
 * %d %i %u %x %X %o %c %p %s %S %%, with - 0 + and space, width and precision also as *, and the sizes h, l, ll, w, I32,
 * I64. %s and %ls are 16-bit, %S and %hs 8-bit. As on Windows, l alone means 32 bits. Another conversion is an error.
 */
static inline HRESULT StringCchVPrintfW(LPWSTR pszDest, size_t cchDest, LPCWSTR pszFormat, va_list argList)
{
    struct stead_out out;
    HRESULT result = S_OK;
    if (pszDest == NULL || pszFormat == NULL || cchDest == 0 || cchDest > STRSAFE_MAX_CCH)
        return STRSAFE_E_INVALID_PARAMETER;
    out.text = pszDest;
    out.size = cchDest;
    out.length = 0;
    out.cut = 0;
    for (; *pszFormat != 0 && !out.cut; pszFormat++) {
        int left = 0, zeros = 0, plus = 0, space = 0, narrow = 0, wide = 0, large = 0;
        long width = 0, precision = -1;
        if (*pszFormat != '%') {
            stead_put(&out, *pszFormat);
            continue;
        }
        for (pszFormat++;; pszFormat++) {
            if (*pszFormat == '-') left = 1;
            else if (*pszFormat == '0') zeros = 1;
            else if (*pszFormat == '+') plus = 1;
            else if (*pszFormat == ' ') space = 1;
            else break;
        }
        if (*pszFormat == '*') {
            width = va_arg(argList, int);
            if (width < 0) {
                left = 1;
                width = -width;
            }
            pszFormat++;
        } else
            width = stead_read_size(&pszFormat);
        if (*pszFormat == '.') {
            pszFormat++;
            if (*pszFormat == '*') {
                precision = va_arg(argList, int);
                pszFormat++;
            } else
                precision = stead_read_size(&pszFormat);
        }
        for (;; pszFormat++) {
            if (*pszFormat == 'h') narrow = 1;
            else if (*pszFormat == 'w') wide = 1;
            else if (*pszFormat == 'l') {
                if (wide) large = 1;
                wide = 1;
            } else if (*pszFormat == 'I' && pszFormat[1] == '6' && pszFormat[2] == '4') {
                large = 1;
                pszFormat += 2;
            } else if (*pszFormat == 'I' && pszFormat[1] == '3' && pszFormat[2] == '2') pszFormat += 2;
            else break;
        }
        switch (*pszFormat) {
        case '%':
            stead_put(&out, '%');
            break;
        case 'd':
        case 'i': {
            int64_t number = large ? va_arg(argList, int64_t) : va_arg(argList, int32_t);
            uint64_t amount = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
            stead_put_number(&out, amount, 10, number < 0 ? "-" : plus ? "+" : space ? " " : "", 0, width, precision,
                             left, zeros);
            break;
        }
        case 'u':
        case 'x':
        case 'X':
        case 'o': {
            uint64_t number = large ? va_arg(argList, uint64_t) : va_arg(argList, uint32_t);
            stead_put_number(&out, number, *pszFormat == 'u' ? 10 : *pszFormat == 'o' ? 8 : 16, "", *pszFormat == 'X',
                             width, precision, left, zeros);
            break;
        }
        case 'p':
            stead_put_number(&out, (uint64_t)(uintptr_t)va_arg(argList, void *), 16, "", 1, width, 16, left, 0);
            break;
        case 'c': {
            wchar_t unit = (wchar_t)va_arg(argList, int);
            if (!left) stead_pad(&out, ' ', width - 1);
            stead_put(&out, unit);
            if (left) stead_pad(&out, ' ', width - 1);
            break;
        }
        case 's':
            stead_put_text(&out, va_arg(argList, const void *), narrow, width, precision, left);
            break;
        case 'S':
            stead_put_text(&out, va_arg(argList, const void *), !wide, width, precision, left);
            break;
        default:
            result = STRSAFE_E_INVALID_PARAMETER;
            break;
        }
        if (result != S_OK)
            break;
    }
    out.text[out.length] = 0;
    return out.cut ? STRSAFE_E_INSUFFICIENT_BUFFER : result;
}

static inline HRESULT StringCchPrintfW(LPWSTR pszDest, size_t cchDest, LPCWSTR pszFormat, ...)
{
    HRESULT result;
    va_list arguments;
    va_start(arguments, pszFormat);
    result = StringCchVPrintfW(pszDest, cchDest, pszFormat, arguments);
    va_end(arguments);
    return result;
}

static inline HRESULT StringCchCopyW(LPWSTR pszDest, size_t cchDest, LPCWSTR pszSrc)
{
    return StringCchPrintfW(pszDest, cchDest, L"%s", pszSrc == NULL ? L"" : pszSrc);
}

/* The length without the NUL; an error where there is none within cchMax units. */
static inline HRESULT StringCchLengthW(LPCWSTR psz, size_t cchMax, size_t *pcchLength)
{
    size_t length = 0;
    if (pcchLength != NULL)
        *pcchLength = 0;
    if (psz == NULL || cchMax > STRSAFE_MAX_CCH)
        return STRSAFE_E_INVALID_PARAMETER;
    while (length < cchMax && psz[length] != 0)
        length++;
    if (length == cchMax)
        return STRSAFE_E_INVALID_PARAMETER;
    if (pcchLength != NULL)
        *pcchLength = length;
    return S_OK;
}

static inline HRESULT StringCchCatW(LPWSTR pszDest, size_t cchDest, LPCWSTR pszSrc)
{
    size_t length;
    HRESULT result = StringCchLengthW(pszDest, cchDest, &length);
    return result == S_OK ? StringCchCopyW(pszDest + length, cchDest - length, pszSrc) : result;
}

#define StringCbPrintfW(destination, size, ...) StringCchPrintfW((destination), (size) / sizeof(WCHAR), __VA_ARGS__)
#define StringCbCopyW(destination, size, source) StringCchCopyW((destination), (size) / sizeof(WCHAR), (source))
#define StringCbCatW(destination, size, source) StringCchCatW((destination), (size) / sizeof(WCHAR), (source))

#ifdef __cplusplus
}
#endif

#endif
