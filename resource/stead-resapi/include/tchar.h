/* Names that stand for the 16-bit form of strings, which is the only one here. */
#ifndef STEAD_TCHAR_H
#define STEAD_TCHAR_H

#include "windows.h"

#define _T(quote) __TEXT(quote)
#define _TEXT(quote) __TEXT(quote)
#define _tcslen wcslen
#define _tcscmp wcscmp
#define _tcsncmp wcsncmp
#define _tcsicmp _wcsicmp
#define _tcsnicmp _wcsnicmp
#define _tcscpy wcscpy
#define _tcsncpy wcsncpy
#define _tcscat wcscat
#define _tcschr wcschr
#define _tcsrchr wcsrchr
#define _tcsstr wcsstr
#define _tcstok wcstok
#define _tcstol wcstol
#define _tcstoul wcstoul
#define _tcsdup _wcsdup
#define _ttoi _wtoi

#endif
