#include "CJanusKernels.h"
