package elfdiff

import "github.com/gosplice/gosplice/elfdiff/finding"

// The codes of this package, as package finding has them, where each is explained.
const (
	CodeDataChanged      = finding.CodeDataChanged
	CodeDataResized      = finding.CodeDataResized
	CodeKindChanged      = finding.CodeKindChanged
	CodeConstShared      = finding.CodeConstShared
	CodeTLSChanged       = finding.CodeTLSChanged
	CodeAmbiguousStatic  = finding.CodeAmbiguousStatic
	CodeSpecialSection   = finding.CodeSpecialSection
	CodeUnknownSection   = finding.CodeUnknownSection
	CodeOpaqueCode       = finding.CodeOpaqueCode
	CodeEdgeReference    = finding.CodeEdgeReference
	CodeInnerReference   = finding.CodeInnerReference
	CodeInitReference    = finding.CodeInitReference
	CodeTypeHash         = finding.CodeTypeHash
	CodeShortBranch      = finding.CodeShortBranch
	CodeEntryPoints      = finding.CodeEntryPoints
	CodeIndirectFunction = finding.CodeIndirectFunction
	CodeRelocation       = finding.CodeRelocation
	CodeSharedAddress    = finding.CodeSharedAddress
	CodeAlignment        = finding.CodeAlignment
	CodeOrphanCold       = finding.CodeOrphanCold
	CodeCompiler         = finding.CodeCompiler
	CodeTableDiffers     = finding.CodeTableDiffers
	CodeLayoutAmbiguous  = finding.CodeLayoutAmbiguous
	CodeExitCode         = finding.CodeExitCode
	CodeUnnamed          = finding.CodeUnnamed
	CodeIntermediate     = finding.CodeIntermediate
	CodeNoSymbols        = finding.CodeNoSymbols
	CodeNoCode           = finding.CodeNoCode
	CodeTableEntry       = finding.CodeTableEntry
	CodeExported         = finding.CodeExported
	CodeException        = finding.CodeException
	CodeTypeLayout       = finding.CodeTypeLayout
	CodeTypeEnum         = finding.CodeTypeEnum
	CodeTypeSignature    = finding.CodeTypeSignature
	CodeTypeConstant     = finding.CodeTypeConstant
	CodeNotGiven         = finding.CodeNotGiven

	CodeSleepingStack = finding.CodeSleepingStack
	CodeThreadLoop    = finding.CodeThreadLoop
	CodeNMI           = finding.CodeNMI
	CodeHotProbe      = finding.CodeHotProbe

	CodeRemoved           = finding.CodeRemoved
	CodeConstructor       = finding.CodeConstructor
	CodeInitCode          = finding.CodeInitCode
	CodeExport            = finding.CodeExport
	CodeParameter         = finding.CodeParameter
	CodeModuleInfo        = finding.CodeModuleInfo
	CodeNote              = finding.CodeNote
	CodeUnused            = finding.CodeUnused
	CodeExceptionPath     = finding.CodeExceptionPath
	CodeUnreferencedState = finding.CodeUnreferencedState
	CodeFreshState        = finding.CodeFreshState
	CodeSymbols           = finding.CodeSymbols
	CodeAddressKept       = finding.CodeAddressKept
	CodeInPlace           = finding.CodeInPlace
	CodeInitials          = finding.CodeInitials
	CodeNoTypes           = finding.CodeNoTypes
	CodeNoDebug           = finding.CodeNoDebug
)
