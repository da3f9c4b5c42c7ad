// SPDX-License-Identifier: MIT
#include "engine.h"

static model_base *(*make_model)();

template <int threads> struct suite : rl::test_suite<suite<threads>, threads> {
    model_base *model = make_model();

    ~suite()
    {
        model->~model_base();
        free(model);
    }

    void before() { model->before(); }
    void thread(unsigned index) { model->thread(index); }
    void after() { model->after(); }
};

bool model_simulate(int threads, model_base *(*make)(), rl::test_params *params)
{
    make_model = make;
    switch (threads) {
    case 2: return rl::simulate<suite<2>>(*params);
    case 3: return rl::simulate<suite<3>>(*params);
    default: return rl::simulate<suite<4>>(*params);
    }
}
