# files of include/countersign
