export { CaiError, type CaiErrorCode, isCaiError } from "@cai/portable/error";
