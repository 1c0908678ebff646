//! Functions whose meaning needs Windows. They are here so that a resource DLL that names them loads, and fail as
//! documented.

use std::ffi::{c_char, c_void};

use stead_resapi::{
    ERROR_CALL_NOT_IMPLEMENTED, ERROR_DEPENDENCY_NOT_FOUND, ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER,
    ERROR_NON_CSV_PATH, ERROR_NOT_SUPPORTED,
};

use crate::clusapi::{HCLUSCRYPTPROVIDER, HCLUSTER, HRESOURCE};
use crate::control::given;
use crate::raw;

exports! {
    /// Null with last error 50: there is no cryptographic provider.
    ///
    /// Windows: resutils/nf-resapi-openclustercryptprovider
    fn OpenClusterCryptProvider(
        _lpszResource: *const u16,
        _lpszProvider: *const c_char,
        _dwType: u32,
        _dwFlags: u32,
    ) -> HCLUSCRYPTPROVIDER {
        Err(ERROR_NOT_SUPPORTED)
    }

    /// Null with last error 50: there is no cryptographic provider.
    ///
    /// Windows: resutils/nf-resapi-openclustercryptproviderex
    fn OpenClusterCryptProviderEx(
        _lpszResource: *const u16,
        _lpszKeyname: *const u16,
        _lpszProvider: *const c_char,
        _dwType: u32,
        _dwFlags: u32,
    ) -> HCLUSCRYPTPROVIDER {
        Err(ERROR_NOT_SUPPORTED)
    }

    /// 6: no handle of a provider was ever given out.
    ///
    /// Windows: resutils/nf-resapi-closeclustercryptprovider
    fn CloseClusterCryptProvider(_hClusCryptProvider: HCLUSCRYPTPROVIDER) -> u32 {
        Err(ERROR_INVALID_HANDLE)
    }

    /// 6: no handle of a provider was ever given out. The answer is null and empty.
    ///
    /// Windows: resutils/nf-resapi-clusterencrypt
    fn ClusterEncrypt(
        _hClusCryptProvider: HCLUSCRYPTPROVIDER,
        _pData: *const u8,
        _cbData: u32,
        ppData: *mut *mut u8,
        pcbData: *mut u32,
    ) -> u32 {
        raw::put(ppData, std::ptr::null_mut());
        raw::put(pcbData, 0);
        Err(ERROR_INVALID_HANDLE)
    }

    /// 6: no handle of a provider was ever given out. The answer is null and empty.
    ///
    /// Windows: resutils/nf-resapi-clusterdecrypt
    fn ClusterDecrypt(
        _hClusCryptProvider: HCLUSCRYPTPROVIDER,
        _pCryptInput: *const u8,
        _cbCryptInput: u32,
        ppCryptOutput: *mut *mut u8,
        pcbCryptOutput: *mut u32,
    ) -> u32 {
        raw::put(ppCryptOutput, std::ptr::null_mut());
        raw::put(pcbCryptOutput, 0);
        Err(ERROR_INVALID_HANDLE)
    }

    /// 87: nothing was ever encrypted or decrypted, so there is nothing to free.
    ///
    /// Windows: resutils/nf-resapi-freeclustercrypt
    fn FreeClusterCrypt(_pCryptInfo: *const c_void) -> u32 {
        Err(ERROR_INVALID_PARAMETER)
    }

    /// False: there are no shared volumes, so no path is on one. Last error 87 for null, else 0.
    ///
    /// Windows: resutils/nf-resapi-clusterispathonsharedvolume
    fn ClusterIsPathOnSharedVolume(lpszPathName: *const u16) -> i32 {
        raw::required_text(lpszPathName)?;
        Err(0)
    }

    /// False with last error 5950: no path is on a shared volume.
    ///
    /// Windows: resutils/nf-resapi-clustergetvolumepathname
    fn ClusterGetVolumePathName(
        _lpszFileName: *const u16,
        _lpszVolumePathName: *mut u16,
        _cchBufferLength: u32,
    ) -> i32 {
        Err(ERROR_NON_CSV_PATH)
    }

    /// False with last error 5950: no path is on a shared volume.
    ///
    /// Windows: resutils/nf-resapi-clustergetvolumenameforvolumemountpoint
    fn ClusterGetVolumeNameForVolumeMountPoint(
        _lpszVolumeMountPoint: *const u16,
        _lpszVolumeName: *mut u16,
        _cchBufferLength: u32,
    ) -> i32 {
        Err(ERROR_NON_CSV_PATH)
    }

    /// 5002: no disk has a drive letter, so none that a resource depends on has. 87 for null.
    ///
    /// Windows: resutils/nf-resapi-resutilfinddependentdiskresourcedriveletter
    fn ResUtilFindDependentDiskResourceDriveLetter(
        hCluster: HCLUSTER,
        hResource: HRESOURCE,
        _pszDriveLetter: *mut u16,
        pcchDriveLetter: *mut u32,
    ) -> u32 {
        given(hCluster)?;
        given(hResource)?;
        raw::get(pcchDriveLetter)?;
        raw::put(pcchDriveLetter, 0);
        Err(ERROR_DEPENDENCY_NOT_FOUND)
    }

    /// 120: whether the machine may be shut down is not decided here. The answer is not written.
    ///
    /// Windows: resutils/nf-resapi-resutilverifyshutdownsafe
    fn ResUtilVerifyShutdownSafe(_flags: u32, _reason: u32, _pResult: *mut u32) -> u32 {
        Err(ERROR_CALL_NOT_IMPLEMENTED)
    }
}
