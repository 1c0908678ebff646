/* A program that tests the property code of ported.c by itself, linked with -lresutils -lclusapi, outside any cluster. */
#include "ported.c"

#define CHECK(x) do { if (!(x)) { printf("line %d: %s\n", __LINE__, #x); return 1; } } while (0)

int main(void)
{
    PORTED_PARAMS a, b;
    BYTE list[1024], names[512];
    DWORD cb = sizeof(list), got = 0, need = 0, dw = 0;
    LPWSTR psz = NULL;
    LONG l = 0;
    ULARGE_INTEGER uli;
    PBYTE pb = NULL;
    ZeroMemory(&a, sizeof(a));
    ZeroMemory(&b, sizeof(b));
    a.pszCommandLine = ResUtilDupString(L"/bin/true");
    a.dwStopTimeout = 7; a.lPriority = -3; a.uliMaxLogBytes.QuadPart = 5000000000ull;
    a.pmszArguments = (LPWSTR)LocalAlloc(LPTR, 5 * sizeof(WCHAR));
    a.pmszArguments[0] = L'a'; a.pmszArguments[2] = L'b'; a.cbArguments = 10;
    a.pbCookie = (PBYTE)LocalAlloc(LPTR, 3); a.cbCookie = 3; a.pbCookie[2] = 9;
    a.pszWorkingDirectory = ResUtilDupString(L"%HOME%/x");
    cb = 0;
    CHECK(ResUtilPropertyListFromParameterBlock(PortedResourcePrivateProperties, NULL, &cb, (LPBYTE)&a, &got, &need) == ERROR_MORE_DATA);
    CHECK(need > 0 && need < sizeof(list));
    cb = sizeof(list);
    CHECK(ResUtilPropertyListFromParameterBlock(PortedResourcePrivateProperties, list, &cb, (LPBYTE)&a, &got, &need) == ERROR_SUCCESS);
    CHECK(ResUtilVerifyPropertyTable(PortedResourcePrivateProperties, NULL, FALSE, list, got, (LPBYTE)&b) == ERROR_SUCCESS);
    CHECK(lstrcmpW(b.pszCommandLine, L"/bin/true") == 0 && b.dwStopTimeout == 7 && b.lPriority == -3);
    CHECK(b.uliMaxLogBytes.QuadPart == 5000000000ull && b.cbCookie == 3 && b.pbCookie[2] == 9 && b.cbArguments == 10);
    CHECK(ResUtilFindSzProperty(list, got, L"commandline", &psz) == ERROR_SUCCESS && wcscmp(psz, L"/bin/true") == 0);
    LocalFree(psz);
    CHECK(ResUtilFindDwordProperty(list, got, L"StopTimeout", &dw) == ERROR_SUCCESS && dw == 7);
    CHECK(ResUtilFindLongProperty(list, got, L"Priority", &l) == ERROR_SUCCESS && l == -3);
    CHECK(ResUtilFindULargeIntegerProperty(list, got, L"MaxLogBytes", &uli.QuadPart) == ERROR_SUCCESS && uli.HighPart == 1);
    CHECK(ResUtilFindExpandSzProperty(list, got, L"WorkingDirectory", &psz) == ERROR_SUCCESS && psz[0] == L'%');
    LocalFree(psz);
    CHECK(ResUtilFindExpandedSzProperty(list, got, L"WorkingDirectory", &psz) == ERROR_SUCCESS && psz[0] == L'/');
    LocalFree(psz);
    CHECK(ResUtilFindBinaryProperty(list, got, L"Cookie", &pb, &dw) == ERROR_SUCCESS && dw == 3);
    LocalFree(pb);
    CHECK(ResUtilFindDwordProperty(list, got, L"Nothing", &dw) == ERROR_FILE_NOT_FOUND);
    ResUtilFreeParameterBlock((LPBYTE)&b, NULL, PortedResourcePrivateProperties);
    ZeroMemory(&b, sizeof(b));
    CHECK(ResUtilDupParameterBlock((LPBYTE)&b, (LPBYTE)&a, PortedResourcePrivateProperties) == ERROR_SUCCESS);
    CHECK(b.pszCommandLine != a.pszCommandLine);
    a.uliMaxLogBytes.QuadPart = 5; /* below the minimum */
    CHECK(ResUtilPropertyListFromParameterBlock(PortedResourcePrivateProperties, list, &cb, (LPBYTE)&a, &got, &need) == ERROR_SUCCESS);
    CHECK(ResUtilVerifyPropertyTable(PortedResourcePrivateProperties, NULL, FALSE, list, got, NULL) != ERROR_SUCCESS);
    a.uliMaxLogBytes.QuadPart = 5000; a.lPriority = 20;
    CHECK(ResUtilPropertyListFromParameterBlock(PortedResourcePrivateProperties, list, &cb, (LPBYTE)&a, &got, &need) == ERROR_SUCCESS);
    CHECK(ResUtilVerifyPropertyTable(PortedResourcePrivateProperties, NULL, FALSE, list, got, NULL) != ERROR_SUCCESS);
    ResUtilFreeParameterBlock((LPBYTE)&b, (LPBYTE)&a, PortedResourcePrivateProperties);
    ResUtilFreeParameterBlock((LPBYTE)&a, NULL, PortedResourcePrivateProperties);
    CHECK(ResUtilEnumProperties(PortedResourcePrivateProperties, (LPWSTR)names, sizeof(names), &got, &need) == ERROR_SUCCESS && got > 20);
    CHECK(OpenCluster(NULL) == NULL && GetLastError() == RPC_S_SERVER_UNAVAILABLE);
    WCHAR t[64];
    CHECK(SUCCEEDED(StringCchPrintfW(t, 64, L"%s-%u-%08X", L"x", 5u, 255u)) && wcscmp(t, L"x-5-000000FF") == 0);
    return 0;
}
