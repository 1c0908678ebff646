//! The C headers say what the Rust declarations say: sizes, offsets and numbers are asserted by a C compiler from a
//! list made here.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::fmt::Write as _;
use std::mem::{offset_of, size_of};
use std::path::Path;
use std::process::Command;

use stead_resapi::*;

fn compile(name: &str, source: &str, compiler: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, source).unwrap();
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let output = Command::new(compiler)
        .args(["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fshort-wchar", "-I"])
        .arg(include)
        .arg(&file)
        .arg("-o")
        .arg(folder.path().join("out.so"))
        .output();
    match output {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => eprintln!("SKIPPED: {name} was not compiled: {compiler}: {error}"),
    }
}

#[test]
fn numbers_and_layouts_agree() {
    let mut source = String::from("#include <resapi.h>\n");
    let mut asserted = 0;
    let lists: &[&[(&str, i64)]] =
        &[STATE_I32, ENUM_I32, FLAG_U32, STATUS_U64, CHAR_U32, PROP_U32, PROP_I32, CTL_U32, ERROR_U32];
    for (name, value) in lists.iter().flat_map(|list| list.iter()) {
        writeln!(source, "_Static_assert((long long){name} == {value}LL, \"{name}\");").unwrap();
        asserted += 1;
    }
    for (name, size, fields) in
        [BASIC, CONTROL_STRUCTURES, VALUE_STRUCTURES, OTHER_STRUCTURES].into_iter().flatten()
    {
        writeln!(source, "_Static_assert(sizeof({name}) == {size}, \"{name}\");").unwrap();
        // Base classes have no name in C.
        for (field, offset) in
            fields.iter().filter(|(field, _)| !["Base", "Info", "Anonymous"].contains(field))
        {
            writeln!(source, "_Static_assert(offsetof({name}, {field}) == {offset}, \"{name}.{field}\");")
                .unwrap();
            asserted += 1;
        }
    }
    macro_rules! layout {
        ($($name:ident { $($field:ident),* })+) => {$(
            writeln!(source, "_Static_assert(sizeof({0}) == {1}, \"{0}\");", stringify!($name), size_of::<$name>()).unwrap();
            $(writeln!(source, "_Static_assert(offsetof({0}, {1}) == {2}, \"{0}.{1}\");",
                stringify!($name), stringify!($field), offset_of!($name, $field)).unwrap(); asserted += 1;)*
        )+};
    }
    layout! {
        RESOURCE_STATUS { ResourceState, CheckPoint, WaitHint, EventHandle }
        RESOURCE_STATUS_EX { ResourceState, CheckPoint, EventHandle, ApplicationSpecificErrorCode, Flags, WaitHint }
        CLRES_V1_FUNCTIONS { Open, Close, Online, Offline, Terminate, LooksAlive, IsAlive, Arbitrate, Release, ResourceControl, ResourceTypeControl }
        CLRES_V2_FUNCTIONS { Open, Online, Offline, Cancel }
        CLRES_V3_FUNCTIONS { BeginResourceControl, BeginResourceTypeControl, Cancel }
        CLRES_V4_FUNCTIONS { BeginResourceControl, Cancel, BeginResourceControlAsUser, BeginResourceTypeControlAsUser }
        CLRES_FUNCTION_TABLE { TableSize, Version }
        CLRES_CALLBACK_FUNCTION_TABLE { LogEvent, SetResourceStatusEx, SetResourceLockedMode, SignalFailure,
            SetResourceInMemoryNodeLocalProperties, EndControlCall, EndTypeControlCall, ExtendControlCall,
            ExtendTypeControlCall, RaiseResTypeNotification, ChangeResourceProcessForDumps,
            ChangeResTypeProcessForDumps, SetInternalState, SetResourceLockedModeEx, RequestDump,
            SetResourceWprPolicy, ArmWprWatchdogForCurrentResourceCall }
    }
    source.push_str("_Static_assert(offsetof(CLRES_FUNCTION_TABLE, V4Functions) == 8, \"union\");\n");
    assert!(asserted > 640, "only {asserted} assertions");
    compile("layout.c", &source, "cc");
}

const SAMPLE: &str = r#"
#include <resapi.h>

static CLRES_CALLBACK_FUNCTION_TABLE callbacks;

static RESID WINAPI SampleOpen(LPCWSTR ResourceName, HKEY ResourceKey, RESOURCE_HANDLE ResourceHandle, DWORD OpenFlags)
{
    UNREFERENCED_PARAMETER(OpenFlags);
    HKEY key = NULL;
    if (wcslen(ResourceName) == 0 || ClusterRegOpenKey(ResourceKey, L"Parameters", KEY_READ, &key) != ERROR_SUCCESS) {
        SetLastError(ERROR_INVALID_PARAMETER);
        return NULL;
    }
    ClusterRegCloseKey(key);
    callbacks.LogEvent(ResourceHandle, LOG_INFORMATION, L"opened %1!ws!", ResourceName);
    return ResourceHandle;
}
static void WINAPI SampleClose(RESID Resource) { UNREFERENCED_PARAMETER(Resource); }
static DWORD WINAPI SampleOnline(RESID Resource, LPHANDLE EventHandle, DWORD OnlineFlags, PBYTE InBuffer,
                                 DWORD InBufferSize, DWORD Reserved)
{
    UNREFERENCED_PARAMETER(InBuffer); UNREFERENCED_PARAMETER(InBufferSize); UNREFERENCED_PARAMETER(Reserved);
    if (OnlineFlags & CLUS_RESDLL_ONLINE_IGNORE_RESOURCE_STATUS)
        *EventHandle = NULL;
    RESOURCE_STATUS_EX status;
    ResUtilInitializeResourceStatusEx(&status);
    status.ResourceState = ClusterResourceOnline;
    return callbacks.SetResourceStatusEx(Resource, &status) == ResourceExitStateTerminate ? ERROR_SUCCESS : ERROR_IO_PENDING;
}
static DWORD WINAPI SampleOffline(RESID Resource, LPCWSTR DestinationNodeName, DWORD OfflineFlags, PBYTE InBuffer,
                                  DWORD InBufferSize, DWORD Reserved)
{
    UNREFERENCED_PARAMETER(Resource); UNREFERENCED_PARAMETER(DestinationNodeName); UNREFERENCED_PARAMETER(InBuffer);
    UNREFERENCED_PARAMETER(InBufferSize); UNREFERENCED_PARAMETER(Reserved);
    return OfflineFlags & CLUS_RESDLL_OFFLINE_QUEUE_ENABLED ? ERROR_SUCCESS : ERROR_IO_PENDING;
}
static void WINAPI SampleTerminate(RESID Resource) { UNREFERENCED_PARAMETER(Resource); }
static BOOL WINAPI SampleLooksAlive(RESID Resource) { return Resource != NULL; }
static BOOL WINAPI SampleIsAlive(RESID Resource) { return Resource != NULL; }
static DWORD WINAPI SampleResourceControl(RESID Resource, DWORD ControlCode, PVOID InBuffer, DWORD InBufferSize,
                                          PVOID OutBuffer, DWORD OutBufferSize, LPDWORD BytesReturned)
{
    UNREFERENCED_PARAMETER(Resource); UNREFERENCED_PARAMETER(InBuffer); UNREFERENCED_PARAMETER(InBufferSize);
    UNREFERENCED_PARAMETER(OutBuffer); UNREFERENCED_PARAMETER(OutBufferSize);
    *BytesReturned = 0;
    return ControlCode == CLUSCTL_RESOURCE_UNKNOWN ? ERROR_SUCCESS : ERROR_INVALID_FUNCTION;
}
CLRES_V2_FUNCTION_TABLE(SampleTable, CLRES_VERSION_V2_00, Sample, NULL, NULL, SampleResourceControl, NULL, NULL);

DWORD WINAPI StartupEx(LPCWSTR ResourceType, DWORD MinVersionSupported, DWORD MaxVersionSupported,
                       PCLRES_CALLBACK_FUNCTION_TABLE MonitorCallbackFunctions,
                       PCLRES_FUNCTION_TABLE *ResourceDllInterfaceFunctions)
{
    if (lstrcmpiW(ResourceType, L"Sample") != 0)
        return ERROR_CLUSTER_RESNAME_NOT_FOUND;
    if (MinVersionSupported > CLRES_VERSION_V2_00 || MaxVersionSupported < CLRES_VERSION_V2_00)
        return ERROR_REVISION_MISMATCH;
    callbacks = *MonitorCallbackFunctions;
    *ResourceDllInterfaceFunctions = &SampleTable;
    return ERROR_SUCCESS;
}
"#;

#[test]
fn a_resource_dll_with_the_documented_names_compiles_without_warnings() {
    compile("sample.c", SAMPLE, "cc");
}

/// Base classes and nameless unions: their fields stand for themselves, as in the headers authors know.
const VALUES: &str = r#"
#include <resapi.h>
DWORD walk(CLUSPROP_BUFFER_HELPER value, DWORD left)
{
    DWORD count = value.pList->nPropertyCount;
    if (left < sizeof(DWORD)) return 0;
    value.pb += sizeof(DWORD);
    if (value.pSyntax->dw == CLUSPROP_SYNTAX_NAME && value.pSyntax->wType == CLUSPROP_TYPE_NAME) return count;
    if (value.pName->cbLength == 0 || value.pName->sz[0] == 0) return value.pValue->cbLength;
    return value.pDwordValue->dw + (DWORD)value.pULargeIntegerValue->li.QuadPart;
}
DWORD others(CLUSPROP_RESOURCE_CLASS_INFO *info, CLUSPROP_PARTITION_INFO_EX2 *disk, RESUTIL_PROPERTY_ITEM *item)
{
    CLUSPROP_REQUIRED_DEPENDENCY needed;
    info->rc = CLUS_RESCLASS_STORAGE;
    info->SubClass = 0;
    needed.ResClass.rc = CLUS_RESCLASS_NETWORK;
    item->lpDefault = NULL;
    return disk->dwFlags + disk->EncryptionFlags + disk->Syntax.dw + (DWORD)needed.ResClass.rc + item->Default;
}
"#;

#[test]
fn values_of_property_lists_are_reached_by_their_documented_names() {
    compile("values.c", VALUES, "cc");
    compile("values.cpp", VALUES, "c++");
}

/// What sources of resource DLLs commonly use around the interface itself.
const AROUND: &str = r#"
#include <windows.h>
#include <tchar.h>
#include <sal.h>
#include <winerror.h>
#include <strsafe.h>
#include <resapi.h>
typedef struct _PARAMS { LPTSTR pszName; ULARGE_INTEGER Size; DWORD cb; } PARAMS, *PPARAMS;
static RESUTIL_ULARGEINT_DATA Sizes = { { { 5, 0 } }, { { 0, 0 } }, { { 0, 1 } } };
static RESUTIL_PROPERTY_ITEM Table[] = {
    { (LPWSTR)CLUSREG_NAME_GENAPP_COMMAND_LINE, NULL, CLUSPROP_FORMAT_SZ, { 0 }, 0, 0, RESUTIL_PROPITEM_REQUIRED, FIELD_OFFSET(PARAMS, pszName) },
    { (LPWSTR)TEXT("Size"), NULL, CLUSPROP_FORMAT_ULARGE_INTEGER, { (DWORD_PTR)&Sizes }, 0, 0, 0, FIELD_OFFSET(PARAMS, Size) },
    { NULL, NULL, 0, { 0 }, 0, 0, 0, 0 }
};
EXTERN_C __declspec(dllexport) BOOL WINAPI DllMain(HINSTANCE hInstance, DWORD dwReason, LPVOID lpReserved)
{
    UNREFERENCED_PARAMETER(lpReserved);
    if (dwReason == DLL_PROCESS_ATTACH)
        return DisableThreadLibraryCalls(hInstance);
    return dwReason != DLL_PROCESS_DETACH;
}
EXTERN_C HRESULT Use(_In_ PPARAMS pParams, _Out_writes_bytes_(cb) PBYTE pb, IN DWORD cb, _Inout_opt_ PULONGLONG pull)
{
    LARGE_INTEGER li;
    li.LowPart = 1;
    li.u.HighPart = 2;
    if (pull != NULL)
        *pull = (ULONGLONG)li.QuadPart + Table[1].ULargeIntData->Default.LowPart + pParams->Size.LowPart;
    SecureZeroMemory(pb, cb);
    if (_tcsicmp(pParams->pszName, _T("x")) == 0 || EqualMemory(pb, pb, cb) == FALSE || cb == MAXDWORD)
        return HRESULT_FROM_WIN32(ERROR_INVALID_DATA);
    return CONTAINING_RECORD(&pParams->Size, PARAMS, Size) == pParams && _countof(Table) == 3 ? S_OK : E_FAIL;
}
"#;

#[test]
fn what_sources_commonly_use_around_the_interface_is_there() {
    compile("around.c", AROUND, "cc");
    compile("around.cpp", AROUND, "c++");
    // The older annotations are for C alone, and live with the system's own headers.
    let system = "#include <windows.h>\n#include <arpa/inet.h>\n#include <sys/socket.h>\n#include <regex.h>\n\
                  #include <signal.h>\n#include <sys/wait.h>\n#include <pthread.h>\n";
    let old = "DWORD Old(__in LPCWSTR a, __out_bcount(b) PVOID c, __in DWORD b);\n\
               DWORD Old(LPCWSTR a, PVOID c, DWORD b) { return a != NULL && c != NULL ? b : 0; }\n";
    compile("old.c", &format!("{system}{old}"), "cc");
    compile(
        "system.cpp",
        &format!(
            "{system}#include <string>\n#include <algorithm>\n#include <sstream>\n#include <locale>\n#include <regex>\n#include <filesystem>\nint n;\n"
        ),
        "c++",
    );
}

/// `swprintf` of the C library would write twice the bytes that a buffer of 16-bit units has.
#[test]
fn a_wide_function_that_would_overrun_buffers_does_not_compile() {
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let folder = tempfile::tempdir().unwrap();
    for call in ["swprintf(b, 8, L\"%d\", 5)", "(int)wcsspn(b, L\"a\")", "(int)wcstombs(NULL, b, 8)"] {
        let file = folder.path().join("refused.c");
        std::fs::write(
            &file,
            format!("#include <windows.h>\nint use(WCHAR *b);\nint use(WCHAR *b) {{ return {call}; }}\n"),
        )
        .unwrap();
        let mut cc = Command::new("cc");
        cc.args(["-fshort-wchar", "-c", "-o", "/dev/null", "-I"]).arg(&include).arg(&file);
        match cc.output() {
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(
                    !output.status.success() && text.contains("32-bit wide characters"),
                    "{call}: {text}"
                );
            }
            Err(error) => eprintln!("SKIPPED: cc: {error}"),
        }
    }
}

#[test]
fn the_headers_are_good_cpp_too() {
    let source = "#include <resapi.h>\nstatic_assert(sizeof(CLRES_FUNCTION_TABLE) == 120, \"\");\n\
                  DWORD size() { return (DWORD)wcslen(L\"abc\") + ClusterResourceOnline; }\n";
    compile("sample.cpp", source, "c++");
}

#[test]
fn forgetting_short_wchar_is_explained() {
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let output = Command::new("cc")
        .args(["-x", "c", "-fsyntax-only", "-I"])
        .arg(include)
        .args(["-include", "resapi.h", "/dev/null"])
        .output();
    match output {
        Ok(output) => {
            assert!(!output.status.success());
            assert!(String::from_utf8_lossy(&output.stderr).contains("compile with -fshort-wchar"));
        }
        Err(error) => eprintln!("SKIPPED: cc: {error}"),
    }
}
