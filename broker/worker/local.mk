# files of broker/worker
